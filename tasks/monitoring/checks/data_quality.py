"""Data quality over time: whether the share of missing, unseen or out-of-range values in a column rose.

The contract judges each batch by itself. Faults that stay below its limits and add up over a window are found here, if
they go beyond what the reference's own blocks show. Example: wind gusts are missing in three rows of four, and in calm
weeks in nine of ten.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from healing.verdict import Outcome, Verdict
from releases.manifest import ReferenceProfile
from tasks.config.monitor_section import Monitor
from tasks.evaluation.holm import holm
from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.prediction_interval import tail_probability
from tasks.monitoring.reference_distances import BLOCKS_MIN, block_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Faulty = NDArray[np.bool_]  # shape (rows,)

CHECK = "data"
SHOWN_MAX = 5  # faults that a reason names
SPREAD_MIN = 0.02  # of a share, and on the arc sine scale: with no fault in any block, one fault is not significant


class ValueFault(StrEnum):
    """What can be wrong with a value."""

    MISSING = "missing"
    UNSEEN = "unseen"  # a category that does not occur in the training data
    OUT_OF_RANGE = "out of range"  # further outside the training range than the range is wide


@dataclass(frozen=True, slots=True)
class FaultShare:
    """The share of a column's rows that have a fault: in the window, and in each block of the reference."""

    column: str
    fault: ValueFault
    now: float
    blocks: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.column} {self.fault}"

    @property
    def rise(self) -> float:
        """How much larger the share is than the blocks' mean."""
        return self.now - statistics.fmean(self.blocks)

    @property
    def p_value(self) -> float:
        """The chance of a share at least this large in one more block, by Student's prediction interval.

        It is the larger of two p-values: one on the plain scale, and one on the arc sine scale, on which sampling noise
        is the same for every share (Anscombe 1948).
        """
        transformed = [_arc_sine(share) for share in self.blocks]
        plain = tail_probability(self.now, self.blocks, SPREAD_MIN)
        return max(plain, tail_probability(_arc_sine(self.now), transformed, SPREAD_MIN))


@dataclass(frozen=True, slots=True)
class DataRule:
    """When a rise counts.

    `alpha` is the family-wise error rate over all columns and faults. A rise up to `rise_tolerated` (share of the
    window's rows) passes, however significant it is.
    """

    rows_min: int
    rise_tolerated: float = 0.05
    alpha: float = 0.01

    @classmethod
    def of(cls, rules: Monitor) -> "DataRule":
        return cls(rules.rows_min, rules.missing_increase_tolerated, rules.data_alpha)


@monitor_check(Topic.DATA, shown_in_distributions=True)
def check_data_quality(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """Missing, unseen and out-of-range values of the newest window, compared with the blocks of the reference."""
    model = context.model
    days = model.rules.window_days
    windows = model.windows(days, 1)
    if not windows:
        return (model.too_new(CHECK, days),)
    [window] = windows
    rows = model.features(window.since, window.until)
    return (WindowVerdict(window, judge_data(fault_shares(model, rows), len(rows), DataRule.of(model.rules))),)


def judge_data(shares: Sequence[FaultShare], rows: int, rule: DataRule) -> Verdict:
    """FAIL when a fault became significantly more frequent, by more than is tolerated.

    `statistic` is the largest rise, a share of the window's rows.
    """
    blocks = min((len(share.blocks) for share in shares), default=0)
    if rows < rule.rows_min or blocks < BLOCKS_MIN:
        reason = f"{rows} rows and {blocks} blocks of the reference, {rule.rows_min} and {BLOCKS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    by_name = {share.name: share for share in shares}
    significant = holm({name: share.p_value for name, share in by_name.items()}, rule.alpha)
    rising = sorted((by_name[name] for name in significant), key=lambda share: -share.rise)
    faulty = [share for share in rising if share.rise > rule.rise_tolerated]
    if faulty:
        shown = ", ".join(f"{s.name} {s.now:.1%} (was {s.now - s.rise:.1%})" for s in faulty[:SHOWN_MAX])
        reason = f"{len(faulty)} fault shares rose: {shown}"
        return Verdict(CHECK, Outcome.FAIL, reason, rows, statistic=faulty[0].rise, threshold=rule.rise_tolerated)
    worst = max(shares, key=lambda share: share.rise)
    columns = len({share.column for share in shares})
    reason = f"no fault share of {columns} columns rose; largest rise: {worst.name} to {worst.now:.1%}"
    return Verdict(CHECK, Outcome.PASS, reason, rows, statistic=worst.rise, threshold=rule.rise_tolerated)


def fault_shares(model: MonitoredModel, rows: "pd.DataFrame") -> tuple[FaultShare, ...]:
    """How often each fault occurs in `rows`, and in each block of the reference with the length of a window."""
    block = block_numbers(model.reference[BATCH_DAY], model.rules.window_days)
    blocks = [block == number for number in range(int(block.max(initial=-1)) + 1)]
    profile = model.champion.manifest.reference
    usual = dict(_faulty(model.reference, profile))
    return tuple(
        FaultShare(
            column=column,
            fault=fault,
            now=float(now.mean()) if len(now) else 0.0,
            blocks=tuple(float(usual[column, fault][inside].mean()) for inside in blocks if inside.any()),
        )
        for (column, fault), now in _faulty(rows, profile)
    )


def _faulty(rows: "pd.DataFrame", profile: ReferenceProfile) -> Iterator[tuple[tuple[str, ValueFault], "Faulty"]]:
    """Which rows have which fault. The training data define which categories are seen and which range is normal."""
    for column, numbers in profile.numeric.items():
        values = rows[column].to_numpy(dtype=float, na_value=float("nan"))
        yield (column, ValueFault.MISSING), values != values  # noqa: PLR0124 - NaN
        if numbers.quantiles:
            low, high = numbers.quantiles[0], numbers.quantiles[-1]
            width = high - low
            yield (column, ValueFault.OUT_OF_RANGE), (values < low - width) | (values > high + width)
    for column, shares in profile.categorical.items():
        missing = rows[column].isna()
        yield (column, ValueFault.MISSING), missing.to_numpy()
        yield (column, ValueFault.UNSEEN), (~missing & ~rows[column].isin(list(shares))).to_numpy()


def _arc_sine(share: float) -> float:
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, share))))
