"""A classifier that answers as another one and keeps memory for each batch, as a model with a cache without a bound.

A gateway builds it only where its operator trusts the type: `--trusted-types chaos.growing_model.GrowingClassifier`.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

__all__ = ["GrowingClassifier"]

_KEPT: list[Any] = []  # of the process: what a batch has left must not become part of the published model


class GrowingClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Answers as `estimator`, and keeps `kept_bytes` more after each batch."""

    def __init__(self, estimator: Any = None, kept_bytes: int = 0) -> None:
        self.estimator = estimator
        self.kept_bytes = kept_bytes

    @property
    def classes_(self) -> Any:
        """The classes of the estimator."""
        return self.estimator.classes_

    def predict_proba(self, rows: Any) -> Any:
        """The estimator's own answers. MemoryError once the process may take no more memory."""
        _KEPT.append(np.ones(self.kept_bytes, dtype=np.uint8))  # written, so that the kernel has to give the pages
        return self.estimator.predict_proba(rows)
