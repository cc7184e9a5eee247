"""Reads the files of a model, by its flavour, into an estimator."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from healing.errors import ConfigError, ModelCorrupt
from releases.manifest import Flavor
from releases.output import Output


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The verified files of a model, and what its reader has to know.

    `files` maps each path to its bytes; `trusted_types` and `allow_pyfunc` are the decisions of this installation's
    operator about code that a model may run.
    """

    origin: str
    files: Mapping[str, bytes]
    output: Output | None
    trusted_types: frozenset[str] = frozenset()
    allow_pyfunc: bool = False

    def content(self, name: str) -> bytes:
        if name not in self.files:
            raise ModelCorrupt(f"{self.origin} has no file {name}; publish it again")
        return self.files[name]

    def known_output(self) -> Output:
        """The output; ModelCorrupt without one, because the file alone does not say what its numbers mean."""
        if self.output is None:
            raise ModelCorrupt(f"{self.origin} needs an output in its manifest; publish it with one")
        return self.output


MODEL_FILES: Mapping[Flavor, str] = {
    "sklearn-skops": "model.skops",
    "lightgbm": "model.txt",
    "xgboost": "model.ubj",
    "catboost": "model.cbm",
    "onnx": "model.onnx",
    "mlflow-pyfunc": "mlflow/MLmodel",
}


def read_model(flavor: Flavor, source: ModelSource) -> Any:
    """The estimator; ModelCorrupt where the file cannot be read, ConfigError where its library is not installed."""
    module = import_module(f"releases.flavours.{flavor.replace('-', '_')}")  # its library is imported only where needed
    try:
        return module.read(source)
    except ImportError as exc:
        raise ConfigError(
            f"{source.origin} has the flavour {flavor}, and its library is not installed ({exc}); "
            f"install the extra {flavor!r}"
        ) from exc
