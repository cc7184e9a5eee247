"""The counts of the oracle, as the directory of a lab keeps them."""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from chaos.verdict import Counts

__all__ = ["COUNTS_FILE", "OracleCounts"]

COUNTS_FILE = "counts.json"


class OracleCounts(BaseModel):
    """Requests by class of answer since the first start, and how far the answers were read."""

    model_config = ConfigDict(frozen=True)

    requests: Counts = Counts()
    champion: str = ""
    generation: int = 0
    segment: int = 0
    offset: int = 0
    updated_at: float = 0.0

    @classmethod
    def read(cls, directory: Path) -> "OracleCounts":
        """The counts in `directory`; zeros where there are none."""
        try:
            return cls.model_validate_json((directory / COUNTS_FILE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return cls()

    def write(self, directory: Path) -> None:
        """Replace the file in one step."""
        beside = directory / f".{COUNTS_FILE}"
        beside.write_text(self.model_copy(update={"updated_at": time.time()}).model_dump_json(), encoding="utf-8")
        beside.replace(directory / COUNTS_FILE)
