"""An estimator made of a function that gives scores, for libraries whose models are no scikit-learn estimators."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from releases.output import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ScoredModel:
    """`score` gives one number per row, or one per row and class or output; `label` gives labels, where it can."""

    def __init__(self, score: Callable[[Any], Any], output: Output, label: Callable[[Any], Any] | None = None) -> None:
        self._score = score
        self._output = output
        self._label = label

    def predict_proba(self, rows: Any) -> "NDArray[np.float64]":
        """The probability of each class. A single score is that of the second of two classes."""
        import numpy as np

        scores = np.asarray(self._score(rows), dtype=np.float64)
        if scores.ndim == 2 and scores.shape[1] == 1:
            scores = scores[:, 0]
        return scores if scores.ndim == 2 else np.column_stack([1 - scores, scores])

    def predict(self, rows: Any) -> Any:
        """The values of a regression, or the labels of a classifier."""
        import numpy as np

        if self._output.kind != "label":
            return self._score(rows)
        if self._label is not None:
            return self._label(rows)
        names = np.array(self._output.names, dtype=None if self._output.has_numbers else object)
        return names[self.predict_proba(rows).argmax(axis=1)]
