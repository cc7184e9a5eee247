"""Data quality over time: does more of a column miss, is unheard of, or lies out of all range than used to?

A batch's contract judges rows and days one by one. What stays below its limits and adds up over a window is seen here,
as far as it goes beyond what the reference's own blocks show: gusts of wind are missing in three rows of four, and in
calm weeks in nine of ten.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.drift import BLOCKS_MIN, holm
from healing.student import upper_tail
from healing.verdict import Outcome, Verdict

CHECK = "data"
BATCHES_CHECK = "batches"
SPREAD_MIN = 0.02  # of a share, and on the arc sine scale: blocks without a single fault do not make one a sensation


class Fault(StrEnum):
    """What can be wrong with a value."""

    MISSING = "missing"
    UNSEEN = "unseen"  # a category that the model never met
    OUTSIDE = "out of range"  # further outside the training range than that range is wide


@dataclass(frozen=True, slots=True)
class FaultShare:
    """The share of a column's rows that has a fault, in the window and in each block of the reference."""

    column: str
    fault: Fault
    now: float
    blocks: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.column} {self.fault}"

    @property
    def rise(self) -> float:
        """Above the blocks' mean, as a share of rows."""
        return self.now - statistics.fmean(self.blocks)

    @property
    def p_value(self) -> float:
        """Chance of a share at least this large in one more block: Student's prediction interval after the blocks.

        On the arc sine scale, on which chance spreads every share alike (Anscombe 1948), and on the plain one, on which
        weeks do: what is true of both is believed.
        """
        plain = _tail(self.now, self.blocks)
        return max(plain, _tail(_arc_sine(self.now), [_arc_sine(share) for share in self.blocks]))


@dataclass(frozen=True, slots=True)
class DataRule:
    """When a rise counts: `alpha` is the family-wise error over all columns and faults, `rise_tolerated` a share of the
    window's rows that nobody would act on."""

    rows_min: int
    rise_tolerated: float = 0.05
    alpha: float = 0.01


def judge_data(shares: Sequence[FaultShare], rows: int, rule: DataRule) -> Verdict:
    """FAIL when some fault became significantly and materially more frequent. Unit: share of the window's rows."""
    blocks = min((len(share.blocks) for share in shares), default=0)
    if rows < rule.rows_min or blocks < BLOCKS_MIN:
        reason = f"{rows} rows and {blocks} blocks of the reference, {rule.rows_min} and {BLOCKS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    by_name = {share.name: share for share in shares}
    significant = holm({name: share.p_value for name, share in by_name.items()}, rule.alpha)
    rising = sorted((by_name[name] for name in significant), key=lambda share: -share.rise)
    faulty = [share for share in rising if share.rise > rule.rise_tolerated]
    worst = max(shares, key=lambda share: share.rise)
    if faulty:
        shown = ", ".join(f"{s.name} {s.now:.1%} (was {s.now - s.rise:.1%})" for s in faulty[:5])
        reason = f"{len(faulty)} faults rose: {shown}"
        return Verdict(CHECK, Outcome.FAIL, reason, rows, statistic=faulty[0].rise, threshold=rule.rise_tolerated)
    reason = f"no fault of {len({share.column for share in shares})} columns rose; most {worst.name} {worst.now:.1%}"
    return Verdict(CHECK, Outcome.PASS, reason, rows, statistic=worst.rise, threshold=rule.rise_tolerated)


@dataclass(frozen=True, slots=True)
class Intake:
    """What sources sent to one table for the days of a window, by the ledger, and how much of it was not let in."""

    table: str
    batches: int
    rejected: int
    rows: int
    kept_out: int


def judge_batches(intakes: Sequence[Intake], share_tolerated: float) -> Verdict:
    """FAIL when of some table more than the tolerated share of rows was kept out; PASS needs every table's batches."""
    worst = max(intakes, key=_share_kept_out, default=None)
    if worst is None or not all(intake.rows for intake in intakes):
        silent = ", ".join(intake.table for intake in intakes if not intake.rows) or "any table"
        return Verdict(BATCHES_CHECK, Outcome.INCONCLUSIVE, f"no rows on record of {silent}", 0)
    rows, share = sum(intake.rows for intake in intakes), _share_kept_out(worst)
    reason = f"{share:.1%} of {worst.table}'s {worst.rows} rows kept out, {worst.rejected} of {worst.batches} batches"
    outcome = Outcome.FAIL if share > share_tolerated else Outcome.PASS
    return Verdict(BATCHES_CHECK, outcome, reason, rows, statistic=share, threshold=share_tolerated)


def _share_kept_out(intake: Intake) -> float:
    return intake.kept_out / intake.rows if intake.rows else 0.0


def _tail(now: float, usual: Sequence[float]) -> float:
    scale = max(statistics.stdev(usual), SPREAD_MIN) * math.sqrt(1 + 1 / len(usual))
    return upper_tail((now - statistics.fmean(usual)) / scale, len(usual) - 1)


def _arc_sine(share: float) -> float:
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, share))))
