"""Models of any MLflow flavour, which run code from their files: only where the operator allows it.

A signature says who published the files, not that they are harmless. Such a model is opened by MLflow, in a worker.
"""

import tempfile
from pathlib import Path
from typing import Any

from healing.errors import ModelCorrupt
from releases.flavours.registry import ModelSource
from releases.flavours.scores import ScoredModel

_FOLDER = "mlflow/"


def read(source: ModelSource) -> ScoredModel:
    """The model; ModelCorrupt where pyfunc models are not allowed, or where MLflow cannot open it."""
    if not source.allow_pyfunc:
        raise ModelCorrupt(
            f"{source.origin} is an MLflow model, which runs code from its files; where you trust everybody who can "
            "publish, set --allow-pyfunc"
        )
    import mlflow.pyfunc

    # The verified bytes, written anew: MLflow opens paths, and the published ones may change.
    with tempfile.TemporaryDirectory(prefix="pyfunc-") as directory:
        for name, content in source.files.items():
            if name.startswith(_FOLDER):
                _write(Path(directory), name, content)
        try:
            model = mlflow.pyfunc.load_model(str(Path(directory) / _FOLDER))
        except Exception as exc:  # any library may be behind it
            raise ModelCorrupt(f"{source.origin} cannot be opened by MLflow: {type(exc).__name__}: {exc}") from exc

    def score(rows: Any) -> Any:
        answers = model.predict(rows)
        return answers.to_numpy() if hasattr(answers, "to_numpy") else answers

    return ScoredModel(score, source.known_output(), score)


def _write(directory: Path, name: str, content: bytes) -> None:
    target = (directory / name).resolve()
    if not target.is_relative_to(directory.resolve()):
        raise ModelCorrupt(f"a file of a model is inside its directory, found {name!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
