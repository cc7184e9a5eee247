"""Quality on mature labels: does the model lose more than it expects to, and more than it did when it was accepted?

The log-loss itself rises with how uncertain the weather makes flights, through no fault of the model. Its *excess* does
not: log-loss less the entropy of the model's own predictions has mean zero for a calibrated model, whatever the inputs
are, and grows when the world stops following the model (DeGroot & Fienberg 1983, *The comparison and evaluation of
forecasters*).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from healing.clustered import DaySum, clustered_mean
from healing.verdict import Outcome, Verdict

CHECK = "quality"
PROBABILITY_FLOOR = 1e-6  # of a prediction in a logarithm: one certain and wrong answer may not outweigh a day
DAYS_MIN = 7  # a spread between fewer days is a guess, and a week has its own rhythm


@dataclass(frozen=True, slots=True)
class QualityRule:
    """When a loss of quality counts.

    `tolerated` is the excess loss (nats a row, or variances of a value) above the reference's that nobody would act
    on; `alpha` the chance of a FAIL in a window that loses no more; labels for less than `coverage_min` of the
    predictions may be the odd ones.
    """

    rows_min: int
    tolerated: float = 0.02
    alpha: float = 0.05
    coverage_min: float = 0.8
    measure: str = "log-loss"  # what messages call the loss


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A window's predictions with mature labels: excess log-loss a day, and how many predictions there were."""

    days: Sequence[DaySum]
    predicted: int

    @property
    def labelled(self) -> int:
        return sum(day.rows for day in self.days)

    @property
    def coverage(self) -> float:
        """Share of the predictions that have a mature label."""
        return self.labelled / self.predicted if self.predicted else 0.0


def log_loss(probability: float, label: int) -> float:
    """-log of the probability given to what happened, in nats."""
    return -math.log(max(probability if label else 1 - probability, PROBABILITY_FLOOR))


def entropy(probability: float) -> float:
    """The log-loss that the prediction expects of itself, in nats."""
    return -sum(share * math.log(max(share, PROBABILITY_FLOOR)) for share in (probability, 1 - probability))


def judge_quality(window: LabelledWindow, reference_excess: float, rule: QualityRule) -> Verdict:
    """FAIL when the lower confidence bound of the increase in excess log-loss is beyond what is tolerated.

    PASS when enough labels show an increase within it; INCONCLUSIVE when they are too few, too patchy, or show an
    increase that may be chance. `statistic` is the increase and None without enough labels.
    """
    rows, days = window.labelled, sum(day.rows > 0 for day in window.days)
    if rows < rule.rows_min or days < DAYS_MIN:
        reason = f"{rows} mature labels on {days} days, {rule.rows_min} on {DAYS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    if window.coverage < rule.coverage_min:
        reason = f"labels for {window.coverage:.0%} of {window.predicted} predictions, {rule.coverage_min:.0%} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    excess = clustered_mean(window.days)
    increase, lower = excess.value - reference_excess, excess.lower(rule.alpha) - reference_excess
    reason = (
        f"excess {rule.measure} {excess.value:+.4f} against {reference_excess:+.4f} when accepted: "
        f"increase {increase:+.4f}, at least {lower:+.4f} ({1 - rule.alpha:.0%} bound, {days} days), "
        f"labels for {window.coverage:.1%}"
    )
    if lower > rule.tolerated:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if increase <= rule.tolerated else Outcome.INCONCLUSIVE
    return Verdict(CHECK, outcome, reason, rows, statistic=increase, threshold=rule.tolerated)
