"""Paired loss: per-row loss difference between two models, and its lower bound before the label is known.

Both losses are bounded and proper: the squared error of a probability (the Brier score), and the squared error of a
quantity, capped at an error of two standard deviations. Both have the label's variance as their unit, so that one
tolerance fits a rare class, a common class and a quantity: predicting the mean always costs 1 per row. The log-loss is
unbounded: one confident error outweighs a whole day, and no sequential test can bound that (docs/decisions/0020).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from releases.manifest import Manifest
from tasks.evaluation.losses import VARIANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)

_SQUARES_MAX = 4.0  # variances: the loss of an error of two standard deviations, the largest that counts
_VARIANCE_MAX = 0.25  # of a class with half of the rows
_VARIANCE_MIN = 0.001  # a class share of one in a thousand; a smaller unit would inflate noise


class PairedLoss(Protocol):
    """All shapes are (rows,). A positive increase favours the champion."""

    def increase(self, challenger: "Values", champion: "Values", labels: "Values") -> "Values":
        """The challenger's loss minus the champion's; NaN where the label is missing or impossible."""
        ...

    def least(self, challenger: "Values", champion: "Values") -> "Values":
        """The smallest possible increase over all labels."""
        ...


@dataclass(frozen=True, slots=True)
class BrierIncrease:
    """Brier score difference for a class, in units of the label's `variance`: p(1 - p) for a class with share p."""

    variance: float

    def increase(self, challenger: "Values", champion: "Values", labels: "Values") -> "Values":
        import numpy as np

        possible = np.where((labels >= 0) & (labels <= 1), labels, np.nan)
        found: Values = (_share(challenger) - possible) ** 2 - (_share(champion) - possible) ** 2
        return found / self.variance

    def least(self, challenger: "Values", champion: "Values") -> "Values":
        import numpy as np

        on_positive = (1 - _share(challenger)) ** 2 - (1 - _share(champion)) ** 2
        on_negative = _share(challenger) ** 2 - _share(champion) ** 2
        found: Values = np.minimum(on_positive, on_negative)  # linear in the label, so smallest at 0 or 1
        return found / self.variance


@dataclass(frozen=True, slots=True)
class SquaredErrorIncrease:
    """Difference of capped squared errors for a quantity, in units of the label's `variance`."""

    variance: float

    def increase(self, challenger: "Values", champion: "Values", labels: "Values") -> "Values":
        return self._squares(challenger, labels) - self._squares(champion, labels)

    def least(self, challenger: "Values", champion: "Values") -> "Values":
        """A bound: a capped square changes by at most twice the root of its cap per standard deviation."""
        import numpy as np

        apart = np.abs(challenger - champion) / np.sqrt(self.variance)
        found: Values = -np.minimum(2 * np.sqrt(_SQUARES_MAX) * apart, _SQUARES_MAX)
        return found

    def _squares(self, predictions: "Values", labels: "Values") -> "Values":
        import numpy as np

        found: Values = np.minimum((predictions - labels) ** 2 / self.variance, _SQUARES_MAX)
        return found


def paired_loss_of(manifest: Manifest | None) -> PairedLoss:
    """The paired loss for the label that the manifest describes; None stands for a class with a share of one half."""
    if manifest is None:
        return BrierIncrease(_VARIANCE_MAX)
    variance = manifest.reference.metrics.get(VARIANCE)
    if variance is not None:
        return SquaredErrorIncrease(variance)
    return BrierIncrease(max(manifest.baseline * (1 - manifest.baseline), _VARIANCE_MIN))


def _share(predictions: "Values") -> "Values":
    """The predictions clipped to [0, 1]."""
    import numpy as np

    found: Values = np.clip(predictions, 0.0, 1.0)
    return found
