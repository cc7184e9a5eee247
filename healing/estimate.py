"""What the loss is likely to be before labels come, from what answers like these turned out to cost.

The rows that the champion was accepted on have labels. They are weighted so that their answers are as frequent as the
window's: what they lose then is what the window will lose, *if an answer still means what it meant*. That is the
assumption of confidence-based performance estimation (Garg et al. 2022, *Leveraging unlabeled data to predict
out-of-distribution performance*; NannyML's CBPE), with calibration measured and not assumed. A changed law breaks it
unseen, so the estimate sorts windows for a person and never acts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from healing.clustered import DaySum, clustered_mean
from healing.student import upper_quantile
from healing.verdict import Outcome, Verdict

CHECK = "estimate"
DAYS_MIN = 7  # as for quality itself
BEYOND_MAX = 0.05  # answers that the labelled rows have none like: of more, nothing is known


@dataclass(frozen=True, slots=True)
class Reweighted:
    """The labelled rows' losses under the window's answers, against their losses as they are.

    `unexplained` holds a labelled day's rows and the weighted sum of what their answers do not explain of their losses.
    `beyond` is the share of the window's answers outside those of the labelled rows, `rows` the window's size, and
    `noise` the standard error that its own loss will have for what answers do not explain. `figures` are further
    estimates, in words.
    """

    change: float
    unexplained: Sequence[DaySum]
    noise: float
    beyond: float
    rows: int
    figures: str = ""


@dataclass(frozen=True, slots=True)
class EstimateRule:
    """When an estimated change counts, by the quality check's own tolerance. `alpha` is one tail of the bound."""

    rows_min: int
    tolerated: float
    alpha: float = 0.05
    measure: str = "log-loss"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The change of the loss against the labelled rows, and how far the truth may lie from it on either side."""

    change: float
    margin: float


def estimate_change(found: Reweighted, alpha: float) -> Estimate:
    """The change with its bound: what the labelled days vary by, and what the window's own rows will.

    Unit: nats a row, or label variances. The truth lies beyond each side with probability `alpha` if calibration holds.
    """
    labelled = clustered_mean(found.unexplained)
    error = math.hypot(labelled.standard_error, found.noise)
    return Estimate(found.change, upper_quantile(alpha, labelled.degrees) * error)


def judge_estimate(found: Reweighted, rule: EstimateRule) -> Verdict:
    """FAIL when the loss has surely risen by more than is tolerated, PASS when it surely has not; else INCONCLUSIVE."""
    days = sum(day.rows > 0 for day in found.unexplained)
    if found.rows < rule.rows_min or days < DAYS_MIN:
        reason = f"{found.rows} rows against {days} labelled days, {rule.rows_min} and {DAYS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, found.rows)
    if found.beyond > BEYOND_MAX:
        reason = f"{found.beyond:.0%} of the answers lie beyond those with labels, {BEYOND_MAX:.0%} allowed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, found.rows)
    estimate = estimate_change(found, rule.alpha)
    reason = (
        f"{rule.measure} estimated to change by {estimate.change:+.4f} ± {estimate.margin:.4f}{found.figures}, "
        "if answers still mean what they meant"
    )
    if estimate.change - estimate.margin > rule.tolerated:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if estimate.change + estimate.margin <= rule.tolerated else Outcome.INCONCLUSIVE
    return Verdict(CHECK, outcome, reason, found.rows, statistic=estimate.change, threshold=rule.tolerated)
