"""Paired loss: per-row loss difference between two models, and its lower bound before the label is known.

Both losses are bounded and proper: the squared error of a probability (the Brier score; of several classes the sum of
their squared errors), and the squared error of a quantity, capped at an error of two standard deviations. Both have the
label's variance as their unit, so that one tolerance fits a rare class, a common class, several classes and a quantity:
predicting the mean always costs 1 per row. The log-loss is unbounded: one confident error outweighs a whole day, and no
sequential test can bound that (docs/decisions/0020).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from releases.manifest import Manifest
from tasks.evaluation.losses import VARIANCE
from tasks.evaluation.predictions import classes_of
from tasks.evaluation.scores import one_hot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)
    Predictions = NDArray[np.float64]  # shape (rows,), or (rows, classes) for several classes

_SQUARES_MAX = 4.0  # variances: the loss of an error of two standard deviations, the largest that counts
_VARIANCE_MAX = 0.25  # of a class with half of the rows
_VARIANCE_MIN = 0.001  # a class share of one in a thousand; a smaller unit would inflate noise


class PairedLoss(Protocol):
    """The loss of one model, and its increase from the champion to the challenger. It lies in [0, `largest`]."""

    @property
    def largest(self) -> float:
        """The largest possible loss of a row."""
        ...

    def loss(self, predictions: "Predictions", labels: "Values") -> "Values":
        """The loss of each row; NaN where the label is missing or impossible."""
        ...

    def increase(self, challenger: "Predictions", champion: "Predictions", labels: "Values") -> "Values":
        """The challenger's loss minus the champion's; NaN where the label is missing or impossible."""
        ...

    def least(self, challenger: "Predictions", champion: "Predictions") -> "Values":
        """The smallest possible increase over all labels."""
        ...


@dataclass(frozen=True, slots=True)
class BrierIncrease:
    """Brier score difference in units of the label's `variance`: p(1 - p) for a class with share p.

    For several classes with the shares p, the variance is 1 - Σp².
    """

    variance: float
    classes: int = field(default=0, compare=False)  # of a model that answers with one probability per class

    @property
    def largest(self) -> float:
        return (2.0 if self.classes else 1.0) / self.variance

    def loss(self, predictions: "Predictions", labels: "Values") -> "Values":
        import numpy as np

        if predictions.ndim == 1:
            true, possible = labels, np.asarray((labels >= 0) & (labels <= 1))
        else:
            true = one_hot(labels, predictions.shape[1])
            possible = np.asarray(true.any(axis=1))
        return np.where(possible, _row_sums((_share(predictions) - true) ** 2), np.nan) / self.variance

    def increase(self, challenger: "Predictions", champion: "Predictions", labels: "Values") -> "Values":
        import numpy as np

        if challenger.ndim == 1:
            true, possible = labels, np.asarray((labels >= 0) & (labels <= 1))
        else:
            true = one_hot(labels, challenger.shape[1])
            possible = np.asarray(true.any(axis=1))
        found = _row_sums((_share(challenger) - true) ** 2 - (_share(champion) - true) ** 2)
        return np.where(possible, found, np.nan) / self.variance

    def least(self, challenger: "Predictions", champion: "Predictions") -> "Values":
        import numpy as np

        new, old = _share(challenger), _share(champion)
        if new.ndim == 1:
            found = np.minimum((1 - new) ** 2 - (1 - old) ** 2, new**2 - old**2)  # linear in the label: least at 0 or 1
        else:
            found = _row_sums(new**2 - old**2) - 2 * (new - old).max(axis=1)
        return found / self.variance


@dataclass(frozen=True, slots=True)
class SquaredErrorIncrease:
    """Difference of capped squared errors for a quantity, in units of the label's `variance`."""

    variance: float

    @property
    def largest(self) -> float:
        return _SQUARES_MAX

    def loss(self, predictions: "Values", labels: "Values") -> "Values":
        import numpy as np

        found: Values = np.minimum((predictions - labels) ** 2 / self.variance, _SQUARES_MAX)
        return found

    def increase(self, challenger: "Values", champion: "Values", labels: "Values") -> "Values":
        return self.loss(challenger, labels) - self.loss(champion, labels)

    def least(self, challenger: "Values", champion: "Values") -> "Values":
        """A bound: a capped square changes by at most twice the root of its cap per standard deviation."""
        import numpy as np

        apart = np.abs(challenger - champion) / np.sqrt(self.variance)
        found: Values = -np.minimum(2 * np.sqrt(_SQUARES_MAX) * apart, _SQUARES_MAX)
        return found


def paired_loss_of(manifest: Manifest | None) -> PairedLoss:
    """The paired loss for the label that the manifest describes; None stands for a class with a share of one half."""
    if manifest is None:
        return BrierIncrease(_VARIANCE_MAX)
    variance = manifest.reference.metrics.get(VARIANCE)
    if variance is not None:
        return SquaredErrorIncrease(variance)
    classes = len(classes_of(manifest))
    if classes:
        return BrierIncrease(max(1 - sum(share**2 for share in manifest.baseline_outputs), _VARIANCE_MIN), classes)
    return BrierIncrease(max(manifest.baseline * (1 - manifest.baseline), _VARIANCE_MIN))


def _share(predictions: "Predictions") -> "Predictions":
    """The predictions clipped to [0, 1]."""
    import numpy as np

    found: Predictions = np.clip(predictions, 0.0, 1.0)
    return found


def _row_sums(values: "Predictions") -> "Values":
    """The sum of each row, over the classes if there are several."""
    found: Values = values if values.ndim == 1 else values.sum(axis=1)
    return found
