"""Decides which columns of a window drifted: their distance to the reference exceeds the reference distances.

A fixed threshold fails too often on small windows. Here, each column's distance is compared with the distances that the
reference's own blocks have at the window's size (`reference_distances`). The checks `drift` (inputs) and `predictions`
share this decision.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from healing.verdict import Outcome, Verdict
from tasks.config.monitor_section import Monitor
from tasks.evaluation.holm import holm
from tasks.monitoring.distances import ColumnKind
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.reference_distances import BLOCKS_MIN, ColumnDistance, ReferenceBlocks, measure

SHOWN_MAX = 5  # columns that a reason names


@dataclass(frozen=True, slots=True)
class DriftRule:
    """When a distance counts as drift.

    `alpha` is the family-wise error rate over all columns. `distance_min` is the least distance that matters, however
    significant it is. It also suppresses the noise of small windows, which is more skewed than the p-value assumes:
    with both limits, about 2 % of windows without drift fail.
    """

    rows_min: int
    alpha: float = 0.02
    distance_min: float = 0.1

    @classmethod
    def of(cls, rules: Monitor) -> "DriftRule":
        return cls(rules.rows_min, rules.drift_alpha, rules.drift_distance_min)


def judge_drift_windows(
    check: str,
    model: MonitoredModel,
    kinds: Mapping[str, ColumnKind],
    count: int,
    weights: Mapping[str, float] | None = None,
) -> tuple[WindowVerdict, ...]:
    """Drift of the columns `kinds` in the last `count` windows, newest first."""
    days, rule = model.rules.window_days, DriftRule.of(model.rules)
    windows = model.windows(days, count)
    if not windows:
        return (model.too_new(check, days),)
    reference = ReferenceBlocks.of(model.reference, kinds, days)
    found = []
    for window in windows:
        rows = model.predicted(window)
        columns = measure(rows, reference) if len(rows) >= rule.rows_min else ()
        found.append(WindowVerdict(window, judge_drift(check, columns, len(rows), rule, weights)))
    return tuple(found)


def judge_drift(
    check: str,
    columns: Sequence[ColumnDistance],
    rows: int,
    rule: DriftRule,
    weights: Mapping[str, float] | None = None,
) -> Verdict:
    """FAIL when a column drifted (`drifted_columns`), INCONCLUSIVE with too few rows or blocks, else PASS.

    `statistic` is the distance of the most significant column, `threshold` the distance at which that column fails.
    """
    if rows < rule.rows_min:
        reason = f"{rows} rows in the window, {rule.rows_min} needed"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, observations=rows)
    blocks = min((len(column.reference_distances) for column in columns), default=0)
    if blocks < BLOCKS_MIN:
        reason = f"{blocks} blocks in the reference, {BLOCKS_MIN} needed to know how much columns move without drift"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, observations=rows)
    p_values, weight = {column.name: column.p_value for column in columns}, _weights(columns, weights)
    drifted = _drifted(columns, p_values, rule, weight)
    first = drifted[0] if drifted else min(columns, key=lambda column: p_values[column.name] / weight[column.name])
    threshold = max(rule.distance_min, first.threshold(rule.alpha * weight[first.name] / math.fsum(weight.values())))
    count = len({column.column for column in columns})
    if drifted:
        shown = ", ".join(f"{c.name} {c.distance:.3f} (p {p_values[c.name]:.1e})" for c in drifted[:SHOWN_MAX])
        reason = f"{len({column.column for column in drifted})} of {count} columns drifted: {shown}"
        return Verdict(check, Outcome.FAIL, reason, rows, statistic=first.distance, threshold=threshold)
    reason = f"none of {count} columns drifted; most significant: {first.name} (p {p_values[first.name]:.1e})"
    return Verdict(check, Outcome.PASS, reason, rows, statistic=first.distance, threshold=threshold)


def drifted_columns(
    columns: Sequence[ColumnDistance], rule: DriftRule, weights: Mapping[str, float] | None = None
) -> tuple[ColumnDistance, ...]:
    """The columns whose distance is significant (Holm) and at least `distance_min`, the most significant first.

    `weights` are by column, see `holm`.
    """
    p_values = {column.name: column.p_value for column in columns}
    return _drifted(columns, p_values, rule, _weights(columns, weights))


def _drifted(
    columns: Sequence[ColumnDistance], p_values: Mapping[str, float], rule: DriftRule, weights: Mapping[str, float]
) -> tuple[ColumnDistance, ...]:
    significant = holm(p_values, rule.alpha, weights)
    drifted = [column for column in columns if column.name in significant and column.distance >= rule.distance_min]
    return tuple(sorted(drifted, key=lambda column: p_values[column.name]))


def _weights(columns: Sequence[ColumnDistance], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Weights by name: the values and the missing values of a column have the same weight."""
    return {column.name: 1.0 if weights is None else weights.get(column.column, 1.0) for column in columns}
