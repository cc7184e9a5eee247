"""By how much one answer costs more than another to the same row, and what that can come to at the least.

Both losses are bounded and proper: the squared error of a probability (the Brier score) and of a value, where no row
costs more than an error of two standard deviations. Both are in variances of the label, so that one tolerance fits a
rare class, a common one and a quantity: always answering the mean costs 1 a row. The log-loss is not bounded: one
certain and wrong answer outweighs a day, and no test that holds at every look can bound that (docs/decisions/0020).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from releases.manifest import Manifest
from tasks.evaluation.losses import VARIANCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Answers = NDArray[np.float64]  # shape (rows,)

_SQUARES_MAX = 4.0  # variances; an error of two standard deviations is as wrong as a row can be
_VARIANCE_MAX = 0.25  # of a class: half of the rows
_VARIANCE_MIN = 0.001  # a share of one in a thousand: a rarer class would blow chance up


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
    """Of the probability of a class, in units of `variance`, its label's own: p(1 - p) of a class with share p."""

    variance: float

    def increase(self, challenger: "Answers", champion: "Answers", labels: "Answers") -> "Answers":
        import numpy as np

        possible = np.where((labels >= 0) & (labels <= 1), labels, np.nan)
        found: Answers = (_share(challenger) - possible) ** 2 - (_share(champion) - possible) ** 2
        return found / self.variance

    def least(self, challenger: "Answers", champion: "Answers") -> "Answers":
        import numpy as np

        on_positive = (1 - _share(challenger)) ** 2 - (1 - _share(champion)) ** 2
        on_negative = _share(challenger) ** 2 - _share(champion) ** 2
        found: Answers = np.minimum(on_positive, on_negative)  # linear in the label, so least at one of its ends
        return found / self.variance


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


def pair_loss_of(manifest: Manifest | None) -> PairLoss:
    """The loss for a model by what its manifest says of its label; None is taken for a class of an even share."""
    if manifest is None:
        return BrierIncrease(_VARIANCE_MAX)
    variance = manifest.reference.metrics.get(VARIANCE)
    if variance is not None:
        return SquaredErrorIncrease(variance)
    return BrierIncrease(max(manifest.baseline * (1 - manifest.baseline), _VARIANCE_MIN))


def _share(answers: "Answers") -> "Answers":
    """The answer as a probability: what is beyond 0 or 1 is as sure as can be."""
    import numpy as np

    found: Answers = np.clip(answers, 0.0, 1.0)
    return found
