"""Comparison of a candidate with a baseline by paired losses on the same rows: better, worse, or inconclusive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.evaluation.clustered import ClusteredMean, DaySum, clustered_mean
from tasks.evaluation.holm import holm


class ComparisonOutcome(StrEnum):
    """How a candidate compares with a baseline."""

    WIN = "win"
    NOT_BETTER = "not_better"  # its mean loss is not smaller
    WORSE = "worse"  # its mean loss is significantly larger; only where the candidate must not be worse
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class ComparisonRule:
    """When a difference counts. `alpha` bounds the chance of a WIN without a gain, and of a WORSE without a loss.

    A comparison needs `rows_min` rows on `days_min` days. A loss of up to `tolerated` (nats or variances per row) is
    not WORSE.
    """

    rows_min: int
    alpha: float = 0.05
    days_min: int = 7
    measure: str = "log-loss"  # what messages call the loss
    tolerated: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidate compared with one baseline: mean gain in loss per row with its confidence bounds.

    Gains are in nats or variances per row; a positive gain favours the candidate. `segment` names the rows if they are
    not all of them (origin=JFK). `blocks` says whether this comparison keeps the candidate from being released.
    """

    against: str
    outcome: ComparisonOutcome
    rows: int
    days: int
    gain: float | None
    gain_lower: float | None
    gain_upper: float | None
    reason: str
    segment: str = ""
    blocks: bool = False

    @classmethod
    def without_gain(
        cls, against: str, outcome: ComparisonOutcome, rows: int, reason: str, *, segment: str = "", blocks: bool
    ) -> "Comparison":
        """A comparison that was decided without computing a gain."""
        return cls(against, outcome, rows, 0, None, None, None, reason, segment, blocks)


def compare(against: str, gains: Sequence[DaySum], rule: ComparisonRule) -> Comparison:
    """Compare where the candidate must be better. `gains` are the baseline's loss minus the candidate's, by day.

    WIN when the lower bound of the mean gain is above zero, NOT_BETTER when the mean gain is not, else INCONCLUSIVE:
    the candidate looks better, possibly by chance. Everything but WIN blocks.
    """
    if _too_few(gains, rule):
        return _inconclusive(against, gains, rule, blocks=True)
    mean = clustered_mean(gains)
    no_win = ComparisonOutcome.NOT_BETTER if mean.value <= 0 else ComparisonOutcome.INCONCLUSIVE
    outcome = ComparisonOutcome.WIN if mean.lower(rule.alpha) > 0 else no_win
    return _decided(against, outcome, gains, mean, rule, blocks=outcome is not ComparisonOutcome.WIN)


def compare_several(
    against: str, candidates: Mapping[str, Sequence[DaySum]], rule: ComparisonRule
) -> Mapping[str, Comparison]:
    """Compare several candidates with one baseline; a WIN is a gain of significantly more than `tolerated`.

    The chance that any candidate whose gain is at most `tolerated` WINs is at most `alpha`, however many are compared
    (Holm's procedure over all of them). Everything but WIN blocks.
    """
    means = {name: clustered_mean(gains) for name, gains in candidates.items() if not _too_few(gains, rule)}
    better = holm({name: mean.tail_below(rule.tolerated) for name, mean in means.items()}, rule.alpha)
    compared = {}
    for name, gains in candidates.items():
        mean = means.get(name)
        if mean is None:
            compared[name] = _inconclusive(against, gains, rule, blocks=True)
            continue
        no_win = ComparisonOutcome.NOT_BETTER if mean.value <= 0 else ComparisonOutcome.INCONCLUSIVE
        outcome = ComparisonOutcome.WIN if name in better else no_win
        compared[name] = _decided(against, outcome, gains, mean, rule, blocks=name not in better)
    return compared


def compare_no_worse(
    against: str, segments: Mapping[str, Sequence[DaySum]], rule: ComparisonRule, *, unknown_blocks: bool = False
) -> tuple[Comparison, ...]:
    """Compare in each segment where the candidate must not be worse. WORSE blocks; `unknown_blocks`: too few rows too.

    The chance that any segment whose loss is at most `tolerated` is called WORSE is at most `alpha` (Holm's step-down
    procedure over the segments' p-values). WIN is tested at `alpha` in each segment separately and unblocks nothing.
    The segment "" is all rows.
    """
    means = {name: clustered_mean(gains) for name, gains in segments.items() if not _too_few(gains, rule)}
    worse = holm({name: mean.tail_above(-rule.tolerated) for name, mean in means.items()}, rule.alpha)
    compared = []
    for name, gains in segments.items():
        mean = means.get(name)
        if mean is None:
            compared.append(_inconclusive(against, gains, rule, blocks=unknown_blocks, segment=name))
            continue
        not_worse = ComparisonOutcome.WIN if mean.lower(rule.alpha) > 0 else ComparisonOutcome.INCONCLUSIVE
        outcome = ComparisonOutcome.WORSE if name in worse else not_worse
        compared.append(_decided(against, outcome, gains, mean, rule, blocks=name in worse, segment=name))
    return tuple(compared)


def _too_few(gains: Sequence[DaySum], rule: ComparisonRule) -> bool:
    return _rows(gains) < rule.rows_min or _days(gains) < rule.days_min


def _inconclusive(
    against: str, gains: Sequence[DaySum], rule: ComparisonRule, *, blocks: bool, segment: str = ""
) -> Comparison:
    rows, days = _rows(gains), _days(gains)
    where = f" of {segment}" if segment else ""
    reason = f"{rows} rows{where} on {days} days, {rule.rows_min} on {rule.days_min} needed"
    outcome = ComparisonOutcome.INCONCLUSIVE
    return Comparison(against, outcome, rows, days, None, None, None, reason, segment, blocks)


def _decided(
    against: str,
    outcome: ComparisonOutcome,
    gains: Sequence[DaySum],
    mean: ClusteredMean,
    rule: ComparisonRule,
    *,
    blocks: bool,
    segment: str = "",
) -> Comparison:
    rows, days = _rows(gains), _days(gains)
    lower, upper = mean.lower(rule.alpha), mean.upper(rule.alpha)
    where = f" of {segment}" if segment else ""
    reason = (
        f"{rule.measure} gain over {against} {mean.value:+.4f} per row, {1 - 2 * rule.alpha:.0%} interval "
        f"{lower:+.4f} to {upper:+.4f}, on {rows} rows{where} from {days} days"
    )
    return Comparison(against, outcome, rows, days, mean.value, lower, upper, reason, segment, blocks)


def _rows(gains: Sequence[DaySum]) -> int:
    return sum(day.rows for day in gains)


def _days(gains: Sequence[DaySum]) -> int:
    return sum(day.rows > 0 for day in gains)
