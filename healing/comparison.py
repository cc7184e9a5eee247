"""Candidate against rivals on the same rows: better, worse, or not enough to tell; overall and by segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.clustered import ClusteredMean, DaySum, clustered_mean
from healing.drift import holm


class Comparison(StrEnum):
    """How a candidate did against a rival."""

    WIN = "win"
    NOT_BETTER = "not_better"  # its mean loss is no smaller
    WORSE = "worse"  # its mean loss is significantly larger; said where only that stands in its way
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ComparisonRule:
    """When a difference counts. `alpha` bounds the chance of a WIN without a gain, or of a WORSE without a loss.

    `rows_min` rows on `days_min` days; a segment may lose `tolerated` (nats or variances a row) and is not worse.
    """

    rows_min: int
    alpha: float = 0.05
    days_min: int = 7
    measure: str = "log-loss"  # what messages call the loss
    tolerated: float = 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome and the gain in loss behind it (nats or variances a row, positive favours the candidate), bounded.

    `segment` names the rows if they are not all (origin=JFK). `blocks`: whether this keeps the candidate from serving.
    """

    outcome: Comparison
    against: str
    rows: int
    days: int
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    reason: str
    segment: str = ""
    blocks: bool = False


def compare(against: str, gains: Sequence[DaySum], rule: ComparisonRule) -> Compared:
    """Judge paired gains, where the candidate has to be better: the rival's loss less its own on each row, by day.

    WIN when the lower bound is above zero, NOT_BETTER when the mean is not, else INCONCLUSIVE: the candidate looks
    better and may owe it to chance. Whatever is no WIN blocks.
    """
    if _too_little(gains, rule):
        return _undecided(against, gains, rule, blocks=True)
    mean = clustered_mean(gains)
    undecided = Comparison.NOT_BETTER if mean.value <= 0 else Comparison.INCONCLUSIVE
    outcome = Comparison.WIN if mean.lower(rule.alpha) > 0 else undecided
    return _decided(outcome, against, gains, mean, rule, blocks=outcome is not Comparison.WIN)


def compare_no_worse(
    against: str, segments: Mapping[str, Sequence[DaySum]], rule: ComparisonRule
) -> tuple[Compared, ...]:
    """Judge paired gains in each segment, where the candidate must not be worse. Only WORSE blocks.

    The chance that any segment in which it loses no more than `tolerated` is called WORSE is at most `alpha` (Holm's
    step-down procedure over the segments' p-values). WIN is said at the same `alpha` for each segment by itself, and
    opens nothing. A segment named "" is all rows.
    """
    means = {name: clustered_mean(gains) for name, gains in segments.items() if not _too_little(gains, rule)}
    worse = holm({name: mean.tail_above(-rule.tolerated) for name, mean in means.items()}, rule.alpha)
    judged = []
    for name, gains in segments.items():
        mean = means.get(name)
        if mean is None:
            judged.append(_undecided(against, gains, rule, blocks=False, segment=name))
            continue
        better = Comparison.WIN if mean.lower(rule.alpha) > 0 else Comparison.INCONCLUSIVE
        outcome = Comparison.WORSE if name in worse else better
        judged.append(_decided(outcome, against, gains, mean, rule, blocks=name in worse, segment=name))
    return tuple(judged)


def _too_little(gains: Sequence[DaySum], rule: ComparisonRule) -> bool:
    return _rows(gains) < rule.rows_min or _days(gains) < rule.days_min


def _undecided(
    against: str, gains: Sequence[DaySum], rule: ComparisonRule, *, blocks: bool, segment: str = ""
) -> Compared:
    rows, days = _rows(gains), _days(gains)
    where = f" of {segment}" if segment else ""
    reason = f"{rows} rows{where} on {days} days, {rule.rows_min} on {rule.days_min} needed"
    return Compared(Comparison.INCONCLUSIVE, against, rows, days, None, None, None, reason, segment, blocks)


def _decided(
    outcome: Comparison,
    against: str,
    gains: Sequence[DaySum],
    mean: ClusteredMean,
    rule: ComparisonRule,
    *,
    blocks: bool,
    segment: str = "",
) -> Compared:
    rows, days = _rows(gains), _days(gains)
    lower, upper = mean.lower(rule.alpha), mean.upper(rule.alpha)
    where = f" of {segment}" if segment else ""
    reason = (
        f"{rule.measure} {mean.value:+.4f} better than {against} on the same {rows} rows{where} of {days} days, "
        f"between {lower:+.4f} and {upper:+.4f} ({1 - 2 * rule.alpha:.0%} interval)"
    )
    return Compared(outcome, against, rows, days, mean.value, lower, upper, reason, segment, blocks)


def _rows(gains: Sequence[DaySum]) -> int:
    return sum(day.rows for day in gains)


def _days(gains: Sequence[DaySum]) -> int:
    return sum(day.rows > 0 for day in gains)
