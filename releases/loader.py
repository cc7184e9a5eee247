"""Loads a model: checks signature, digests, the allow-list of types and the golden outputs before it may serve."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healing.errors import ModelCorrupt
from releases.answers import answers_of, values_of
from releases.flavours.registry import ModelSource, read_model
from releases.manifest import Manifest
from releases.model_inputs import frame_of
from releases.store import ModelStore

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model, ready to answer."""

    digest: str
    manifest: Manifest
    estimator: Any  # scikit-learn ships no types

    def predict(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """The value of each row of `frame` (see `releases.output`), shape (rows,)."""
        return values_of(self.answers(frame))

    def answers(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """The answers to `frame` as `releases.answers.answers_of` gives them.

        `frame` holds the manifest's input columns; others are ignored.
        """
        names = list(self.manifest.input_schema.names)
        rows = frame if frame.columns.tolist() == names else frame[names]  # selecting all columns would copy them
        return answers_of(self.estimator, rows, self.manifest.output)


def load(
    model_dir: Path, public_key: Path, also_trusted: frozenset[str] = frozenset(), *, allow_pyfunc: bool = False
) -> LoadedModel:
    """Load `models/<digest>`; ModelCorrupt names the first check that fails."""
    digest = model_dir.name
    store = ModelStore(model_dir.parent.parent)
    manifest = store.verify(digest, public_key)
    files = {name: _verified_bytes(model_dir, name, expected) for name, expected in manifest.files.items()}
    source = ModelSource(f"model {digest}", files, manifest.output, also_trusted, allow_pyfunc)
    model = LoadedModel(digest=digest, manifest=manifest, estimator=read_model(manifest.flavor, source))
    check_golden(model)
    return model


def _verified_bytes(model_dir: Path, name: str, expected: str) -> bytes:
    """The very bytes that are loaded: the file may have changed since it was verified."""
    content = (model_dir / name).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelCorrupt(f"model {model_dir.name}: file {name} should have digest {expected}, found {found}")
    return content


def check_golden(model: LoadedModel) -> None:
    """Raise ModelCorrupt unless the model reproduces its golden outputs."""
    import numpy as np

    golden = model.manifest.golden
    outputs = model.answers(frame_of(model.manifest.input_schema, golden.columns, golden.rows))
    expected = np.asarray(golden.outputs)
    if golden.matrix:
        expected = np.column_stack([expected, np.asarray(golden.matrix)])
    if outputs.shape != expected.shape or not np.allclose(outputs, expected, rtol=0, atol=golden.tolerance):
        raise ModelCorrupt(
            f"model {model.digest} should answer its golden rows with {expected[:3]}…, found {outputs[:3]}…: library "
            "versions differ from those it was published with; install the locked ones or publish the model again"
        )
