"""Drift: how far a window lies from the reference, judged against how far the reference drifts by itself.

Fixed thresholds alarm on every small window, and subsampled nulls promise too much on time-ordered data (weather
differs from week to week without anything being wrong). So every column is held against *leave-one-block-out*
distances: how far each block of the reference, as long as the window, lies from the rest of the reference.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healing.student import upper_quantile, upper_tail
from healing.verdict import Outcome, Verdict

BLOCKS_MIN = 4  # below that, the spread of the null distances is a guess
SHOWN_MAX = 5  # columns that a reason names
SPREAD_FLOOR = 0.01  # on the normal scale: eight equal null distances do not make a hair more a sensation


@dataclass(frozen=True, slots=True)
class ColumnDistance:
    """How far a column of the window lies from the reference.

    `distance` and `nulls` come from the same measure: normed Wasserstein (unit: standard deviations of the reference)
    or Jensen-Shannon distance. `nulls` are the leave-one-block-out distances, at the window's number of rows. With
    `missing` it is the distance of the shares of missing values: the other distances leave those out.
    """

    column: str
    distance: float
    nulls: tuple[float, ...]
    missing: bool = False

    @property
    def name(self) -> str:
        return f"{self.column} (missing)" if self.missing else self.column

    @property
    def p_value(self) -> float:
        """Chance of a distance at least this large in one more block of the reference.

        A distance is about the length of a random vector, and the 2/3rd power of a length is close to normal (the
        cube root of its square: Wilson & Hilferty 1931). Mean and variance being unknown, a new one follows Student's t
        with K - 1 degrees of freedom at scale s·sqrt(1 + 1/K): the usual prediction interval after K values.
        """
        centre, scale = _null(self.nulls)
        return upper_tail((_normal(self.distance) - centre) / scale, len(self.nulls) - 1)

    def threshold(self, p_value: float) -> float:
        """The distance that has this p-value."""
        centre, scale = _null(self.nulls)
        return float((centre + scale * upper_quantile(p_value, len(self.nulls) - 1)) ** 1.5)


@dataclass(frozen=True, slots=True)
class DriftRule:
    """When distances count: `alpha` is the nominal family-wise error over the columns.

    `distance_min` is what a drift has to reach to matter, however significant: Evidently's own 0.1. It also keeps the
    noise of small windows quiet, which is more skewed than the p-value assumes; with both, some 2 % of unchanged
    windows alarm.
    """

    rows_min: int
    alpha: float = 0.02
    distance_min: float = 0.1


def holm(p_values: Mapping[str, float], alpha: float, weights: Mapping[str, float] | None = None) -> frozenset[str]:
    """The names that Holm's step-down procedure rejects: family-wise error at most `alpha` under any dependence.

    With `weights` (above zero, 1 for every other name) a name gets a share of `alpha` in proportion to its weight: what
    matters more is found sooner, and the family-wise error stays (Holm 1979, section 4; Genovese, Roeder & Wasserman
    2006, *False discovery control with p-value weighting*). ValueError for a weight of zero or less.

    >>> sorted(holm({"a": 0.001, "b": 0.02, "c": 0.5}, alpha=0.05))
    ['a', 'b']
    >>> sorted(holm({"a": 0.02, "b": 0.02, "c": 0.5}, alpha=0.05, weights={"a": 2.0, "b": 0.5, "c": 0.5}))
    ['a']
    """
    weight = {name: 1.0 if weights is None else weights.get(name, 1.0) for name in p_values}
    if any(value <= 0 for value in weight.values()):
        raise ValueError(f"expected weights above zero, found {min(weight.values())}; give what does not matter little")
    left = math.fsum(weight.values())
    rejected: set[str] = set()
    for name in sorted(p_values, key=lambda name: (p_values[name] / weight[name], name)):
        if p_values[name] > alpha * weight[name] / left:
            break
        rejected.add(name)
        left -= weight[name]
    return frozenset(rejected)


def importance_weights(importance: Mapping[str, float], floor: float = 0.1) -> dict[str, float]:
    """Weights for `judge_drift`, in proportion to how much the model relies on each column; their mean is 1.

    A permutation importance may be zero or less by chance, and says nothing of a column that was constant while it was
    measured, so every column keeps at least `floor` of an equal share.
    """
    total = math.fsum(max(value, 0.0) for value in importance.values())
    count = len(importance)
    share = {column: max(value, 0.0) * count / total if total else 1.0 for column, value in importance.items()}
    return {column: floor + (1 - floor) * value for column, value in share.items()}


def drifted_columns(
    columns: Sequence[ColumnDistance], rule: DriftRule, weights: Mapping[str, float] | None = None
) -> tuple[ColumnDistance, ...]:
    """The columns that lie significantly (Holm) and materially further from the reference than its blocks do.

    The one that stands out most comes first. `weights` are by column, see `holm`.
    """
    p_values = {column.name: column.p_value for column in columns}
    significant = holm(p_values, rule.alpha, _weights(columns, weights))
    drifted = [column for column in columns if column.name in significant and column.distance >= rule.distance_min]
    return tuple(sorted(drifted, key=lambda column: p_values[column.name]))


def judge_drift(
    check: str,
    columns: Sequence[ColumnDistance],
    rows: int,
    rule: DriftRule,
    weights: Mapping[str, float] | None = None,
) -> Verdict:
    """FAIL when some column has drifted (`drifted_columns`), INCONCLUSIVE with too few rows or blocks to tell.

    `statistic` is the distance of the column that stands out most, `threshold` what it would have had to stay under.
    """
    if rows < rule.rows_min:
        reason = f"{rows} rows in the window, {rule.rows_min} needed"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, observations=rows)
    blocks = min((len(column.nulls) for column in columns), default=0)
    if blocks < BLOCKS_MIN:
        reason = f"{blocks} blocks in the reference, {BLOCKS_MIN} needed to know how much it drifts by itself"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, observations=rows)
    weight = _weights(columns, weights)
    drifted = drifted_columns(columns, rule, weights)
    first = drifted[0] if drifted else min(columns, key=lambda column: column.p_value / weight[column.name])
    threshold = max(rule.distance_min, first.threshold(rule.alpha * weight[first.name] / math.fsum(weight.values())))
    count = len({column.column for column in columns})
    if drifted:
        shown = ", ".join(f"{each.name} {each.distance:.3f} (p {each.p_value:.1e})" for each in drifted[:SHOWN_MAX])
        moved = len({column.column for column in drifted})
        reason = f"{moved} of {count} columns drifted: {shown}"
        return Verdict(check, Outcome.FAIL, reason, rows, statistic=first.distance, threshold=threshold)
    reason = f"no column of {count} beyond its blocks; furthest {first.name} (p {first.p_value:.1e})"
    return Verdict(check, Outcome.PASS, reason, rows, statistic=first.distance, threshold=threshold)


def _weights(columns: Sequence[ColumnDistance], weights: Mapping[str, float] | None) -> dict[str, float]:
    """By name, values and missing values of a column alike."""
    return {column.name: 1.0 if weights is None else weights.get(column.column, 1.0) for column in columns}


def _normal(distance: float) -> float:
    return float(max(distance, 0.0) ** (2 / 3))


def _null(nulls: Sequence[float]) -> tuple[float, float]:
    """Centre and prediction scale, on the normal scale, of the distances among the reference's own blocks."""
    values = [_normal(distance) for distance in nulls]
    spread = max(statistics.stdev(values), SPREAD_FLOOR)
    return statistics.fmean(values), spread * math.sqrt(1 + 1 / len(values))
