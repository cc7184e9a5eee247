"""Candidate against incumbent on the same rows: better, not better, or not enough to tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.clustered import DaySum, clustered_mean


class Comparison(StrEnum):
    """How a candidate did against the model it would replace."""

    WIN = "win"
    NOT_BETTER = "not_better"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ComparisonRule:
    """When a gain counts: the chance of a WIN without a gain is at most `alpha`; `rows_min` rows on `days_min` days."""

    rows_min: int
    alpha: float = 0.05
    days_min: int = 7
    measure: str = "log-loss"  # what messages call the loss


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome and the gain in loss behind it (nats or variances a row, positive favours the candidate), bounded."""

    outcome: Comparison
    against: str
    rows: int
    days: int
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    reason: str


def compare(against: str, gains: Sequence[DaySum], rule: ComparisonRule) -> Compared:
    """Judge paired gains: the incumbent's loss less the candidate's on each row, summed by day.

    WIN when the lower bound is above zero, NOT_BETTER when the mean is not, else INCONCLUSIVE: the candidate looks
    better and may owe it to chance.
    """
    rows, days = sum(day.rows for day in gains), sum(day.rows > 0 for day in gains)
    if rows < rule.rows_min or days < rule.days_min:
        reason = f"{rows} rows on {days} days, {rule.rows_min} on {rule.days_min} needed"
        return Compared(Comparison.INCONCLUSIVE, against, rows, days, None, None, None, reason)
    mean = clustered_mean(gains)
    lower, upper = mean.lower(rule.alpha), mean.upper(rule.alpha)
    undecided = Comparison.NOT_BETTER if mean.value <= 0 else Comparison.INCONCLUSIVE
    outcome = Comparison.WIN if lower > 0 else undecided
    reason = (
        f"{rule.measure} {mean.value:+.4f} better than {against} on the same {rows} rows of {days} days, "
        f"between {lower:+.4f} and {upper:+.4f} ({1 - 2 * rule.alpha:.0%} interval)"
    )
    return Compared(outcome, against, rows, days, mean.value, lower, upper, reason)
