"""Loads a model: checks signature, digests, the allow-list of types and the golden outputs before it may serve."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healing.errors import ModelCorrupt
from releases.manifest import Manifest
from releases.model_inputs import frame_of
from releases.store import ModelStore

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# Types that scikit-learn's trees and calibrated classifiers need and that skops does not trust by default. The list is
# fixed here: a list from the model's own files would trust whatever the model claims. It leaves out functools.partial
# on purpose, because a partial can hold any function.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
    }
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model, ready to answer."""

    digest: str
    manifest: Manifest
    estimator: Any  # scikit-learn ships no types

    def predict(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """One number per row of `frame` (see `answers_of`), shape (rows,).

        `frame` holds the manifest's input columns; others are ignored.
        """
        names = list(self.manifest.input_schema.names)
        rows = frame if frame.columns.tolist() == names else frame[names]  # selecting all columns would copy them
        return answers_of(self.estimator, rows)


def answers_of(estimator: Any, rows: Any) -> "NDArray[np.float64]":
    """One number per row: the probability of the second of two classes, the label of one of several, or a value.

    ModelCorrupt where the labels of several classes are not numbers: a prediction is a number.
    """
    import numpy as np

    if not hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict(rows), dtype=np.float64)
    classes = getattr(estimator, "classes_", None)
    if classes is None or len(classes) == 2:
        return np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)
    labels = np.asarray(estimator.predict(rows))
    if labels.dtype.kind not in "biuf":
        raise ModelCorrupt(
            f"a model of {len(classes)} classes needs numbers as labels, found {str(classes[0])!r}; number the "
            "classes, train the model again and publish it"
        )
    return labels.astype(np.float64)


def read_estimator(content: bytes, origin: str, also_trusted: frozenset[str] = frozenset()) -> Any:
    """Build the estimator from skops bytes; ModelCorrupt when it needs a type that is on no allow-list.

    `also_trusted` are types that the operator of this installation has reviewed: a class is code that runs.
    """
    from skops import io

    trusted = TRUSTED_TYPES | also_trusted
    try:
        unknown = set(io.get_untrusted_types(data=content)) - trusted
        estimator = None if unknown else io.loads(content, trusted=sorted(trusted))
    except Exception as exc:
        raise ModelCorrupt(f"{origin} cannot be read as a skops model: {type(exc).__name__}: {exc}") from exc
    if unknown:
        raise ModelCorrupt(
            f"{origin} needs types that are not on the allow-list: {', '.join(sorted(unknown))}; use plain "
            "scikit-learn estimators, or review the type and add it to the gateway's --trusted-types"
        )
    return estimator


def load(model_dir: Path, public_key: Path, also_trusted: frozenset[str] = frozenset()) -> LoadedModel:
    """Load `models/<digest>`; ModelCorrupt names the first check that fails."""
    digest = model_dir.name
    store = ModelStore(model_dir.parent.parent)
    manifest = store.verify(digest, public_key)
    content = (model_dir / manifest.model_file).read_bytes()
    found, expected = hashlib.sha256(content).hexdigest(), manifest.files[manifest.model_file]
    if found != expected:  # of the very bytes that are loaded: the file may have changed since it was verified
        raise ModelCorrupt(f"model {digest}: file {manifest.model_file} should have digest {expected}, found {found}")
    estimator = read_estimator(content, f"model {digest}", also_trusted)
    model = LoadedModel(digest=digest, manifest=manifest, estimator=estimator)
    check_golden(model)
    return model


def check_golden(model: LoadedModel) -> None:
    """Raise ModelCorrupt unless the model reproduces its golden outputs."""
    import numpy as np

    golden = model.manifest.golden
    outputs = model.predict(frame_of(model.manifest.input_schema, golden.columns, golden.rows))
    expected = np.asarray(golden.outputs)
    if outputs.shape != expected.shape or not np.allclose(outputs, expected, rtol=0, atol=golden.tolerance):
        raise ModelCorrupt(
            f"model {model.digest} should answer its golden rows with {expected[:3]}…, found {outputs[:3]}…: library "
            "versions differ from those it was published with; install the locked ones or publish the model again"
        )
