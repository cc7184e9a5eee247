"""By how much one answer costs more than another to the same row, and what that can come to at the least.

Both losses are bounded and proper: the Brier score of a probability, and the squared error of a value in variances of
the label, where no row costs more than an error of two standard deviations. The log-loss is not bounded: one certain
and wrong answer outweighs a day, and no test that holds at every look can bound that (docs/decisions/0020).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.monitoring.loss import VARIANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Answers = NDArray[np.float64]  # shape (rows,)

_SQUARES_MAX = 4.0  # variances; an error of two standard deviations is as wrong as a row can be


class PairLoss(Protocol):
    """All shapes are (rows,); positive favours the champion."""

    def increase(self, challenger: "Answers", champion: "Answers", labels: "Answers") -> "Answers":
        """The challenger's loss less the champion's, NaN where the label is missing or none that can be."""
        ...

    def least(self, challenger: "Answers", champion: "Answers") -> "Answers":
        """The least that the increase can be, whatever the label."""
        ...


@dataclass(frozen=True, slots=True)
class BrierIncrease:
    """Of the probability of a class."""

    def increase(self, challenger: "Answers", champion: "Answers", labels: "Answers") -> "Answers":
        import numpy as np

        possible = np.where((labels >= 0) & (labels <= 1), labels, np.nan)
        found: Answers = (_share(challenger) - possible) ** 2 - (_share(champion) - possible) ** 2
        return found

    def least(self, challenger: "Answers", champion: "Answers") -> "Answers":
        import numpy as np

        on_positive = (1 - _share(challenger)) ** 2 - (1 - _share(champion)) ** 2
        on_negative = _share(challenger) ** 2 - _share(champion) ** 2
        found: Answers = np.minimum(on_positive, on_negative)  # linear in the label, so least at one of its ends
        return found


@dataclass(frozen=True, slots=True)
class SquaredErrorIncrease:
    """Of a value, in units of `variance`, the label's own."""

    variance: float

    def increase(self, challenger: "Answers", champion: "Answers", labels: "Answers") -> "Answers":
        return self._squares(challenger, labels) - self._squares(champion, labels)

    def least(self, challenger: "Answers", champion: "Answers") -> "Answers":
        """No clipped square grows faster than by twice the root of its bound a standard deviation."""
        import numpy as np

        apart = np.abs(challenger - champion) / np.sqrt(self.variance)
        found: Answers = -np.minimum(2 * np.sqrt(_SQUARES_MAX) * apart, _SQUARES_MAX)
        return found

    def _squares(self, answers: "Answers", labels: "Answers") -> "Answers":
        import numpy as np

        found: Answers = np.minimum((answers - labels) ** 2 / self.variance, _SQUARES_MAX)
        return found


def pair_loss_of(metrics: Mapping[str, float]) -> PairLoss:
    """The loss for a model by the metrics of its training: one that predicts a value has the variance among them."""
    variance = metrics.get(VARIANCE)
    return BrierIncrease() if variance is None else SquaredErrorIncrease(variance)


def _share(answers: "Answers") -> "Answers":
    """The answer as a probability: what is beyond 0 or 1 is as sure as can be."""
    import numpy as np

    found: Answers = np.clip(answers, 0.0, 1.0)
    return found
