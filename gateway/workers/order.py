"""How a worker loads its model: the settings that the router sends to the fork server."""

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """`trusted_types` may be in a model beside those on our list; `growth_bytes_max` is what a worker may grow by.

    `allow_pyfunc` lets a worker open MLflow models, which run code from their files. Without `quotes_values`, its notes
    name the type of a model's exception and not the text, which may quote a feature that the log does not have.
    """

    public_key: Path
    trusted_types: frozenset[str]
    growth_bytes_max: int
    allow_pyfunc: bool = False
    quotes_values: bool = True

    def to_bytes(self, model_dir: Path) -> bytes:
        order = asdict(self) | {
            "public_key": str(self.public_key.absolute()),
            "trusted_types": sorted(self.trusted_types),
        }
        return orjson.dumps({"model_dir": str(model_dir.absolute()), "order": order})

    @classmethod
    def from_bytes(cls, content: bytes) -> tuple[Path, "LoadOrder"]:
        request = orjson.loads(content)
        order = request["order"]
        return Path(request["model_dir"]), cls(
            Path(order["public_key"]),
            frozenset(order["trusted_types"]),
            order["growth_bytes_max"],
            order["allow_pyfunc"],
            order["quotes_values"],
        )
