"""Quality on mature labels: does the model lose more than it expects to, and more than it did when it was accepted?

The log-loss itself rises with how uncertain the weather makes flights, through no fault of the model. Its *excess* does
not: log-loss less the entropy of the model's own predictions has mean zero for a calibrated model, whatever the inputs
are, and grows when the world stops following the model (DeGroot & Fienberg 1983, *The comparison and evaluation of
forecasters*).

Labels may come failures first. So a day counts once nearly all of it is labelled, and what is missing beyond the usual
has the benefit of every doubt, for and against (worst-case bounds: Manski 1989, *Anatomy of the selection problem*).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from healing.clustered import DaySum, clustered_mean
from healing.student import upper_quantile
from healing.verdict import Outcome, Verdict

CHECK = "quality"
PROBABILITY_FLOOR = 1e-6  # of a prediction in a logarithm: one certain and wrong answer may not outweigh a day
DAYS_MIN = 7  # a spread between fewer days is a guess, and a week has its own rhythm
COVERAGE_TAIL = 0.05  # a window of usual days has a lower coverage than is called usual this often


@dataclass(frozen=True, slots=True)
class QualityRule:
    """When a loss of quality counts.

    `tolerated` is the excess loss (nats a row, or variances of a value) above the reference's that nobody would act
    on; `alpha` the chance of a FAIL in a window that loses no more; labels for less than `coverage_min` of the
    predictions may be the odd ones, of a day as of the window.
    """

    rows_min: int
    tolerated: float = 0.02
    alpha: float = 0.05
    coverage_min: float = 0.8
    measure: str = "log-loss"  # what messages call the loss


@dataclass(frozen=True, slots=True)
class Cohort:
    """The predictions asked for on one day: how many there were, and the losses of those that have a mature label."""

    predicted: int
    losses: DaySum

    @property
    def coverage(self) -> float:
        return self.losses.rows / self.predicted if self.predicted else 0.0


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A window's cohorts, by day.

    `usual_coverage` is the coverage that a window has at least as a rule (`coverage_to_expect`; None where nobody
    knows, and then all rows should have labels). `best` and `worst` are the mean loss if every row had the label that
    costs least, and the one that costs most.
    """

    cohorts: Sequence[Cohort]
    usual_coverage: float | None = None
    best: float = 0.0
    worst: float = 0.0

    @property
    def predicted(self) -> int:
        return sum(cohort.predicted for cohort in self.cohorts)

    @property
    def coverage(self) -> float:
        """Share of all predictions that have a mature label, on whichever day."""
        labelled = sum(cohort.losses.rows for cohort in self.cohorts)
        return labelled / self.predicted if self.predicted else 0.0

    def complete(self, coverage_min: float) -> "LabelledWindow":
        """Only the days of which at least that share is labelled: the first labels of a day may be the odd ones."""
        kept = [cohort for cohort in self.cohorts if cohort.coverage >= coverage_min]
        return replace(self, cohorts=kept)

    def hidden(self, mean: float) -> tuple[float, float]:
        """How far below and above the labelled rows' mean loss that of all rows may lie, for labels that are missing
        though they usually are not: as if each had been the best, and as if each had been the worst."""
        missing = max(0.0, (1.0 if self.usual_coverage is None else self.usual_coverage) - self.coverage)
        return missing * max(0.0, mean - self.best), missing * max(0.0, self.worst - mean)


def coverage_to_expect(usual: Sequence[Cohort], days: int) -> float | None:
    """The coverage that a window of so many usual days stays above, but for one in twenty; None from under two days.

    Some labels never come (a flight that is cancelled never lands), on some days more than on others: the mean of the
    usual days, less Student's prediction margin for the mean of `days` further ones.
    """
    filled = [cohort for cohort in usual if cohort.predicted]
    if len(filled) < 2:
        return None
    mean = clustered_mean([DaySum(cohort.predicted, float(cohort.losses.rows)) for cohort in filled])
    widened = mean.standard_error * math.sqrt(1 + len(filled) / days)
    return max(0.0, mean.value - upper_quantile(COVERAGE_TAIL, mean.degrees) * widened)


def judge_quality(window: LabelledWindow, reference_excess: float, rule: QualityRule) -> Verdict:
    """FAIL when the lower confidence bound of the increase in excess loss is beyond what is tolerated.

    PASS when enough labels show an increase within it; INCONCLUSIVE when they are too few, too patchy, may be the odd
    ones, or show an increase that may be chance. `statistic` is the increase and None without enough labels.
    """
    whole = window.complete(rule.coverage_min)
    rows, days = sum(cohort.losses.rows for cohort in whole.cohorts), len(whole.cohorts)
    if rows < rule.rows_min or days < DAYS_MIN:
        reason = (
            f"{rows} mature labels on {days} whole days, {rule.rows_min} on {DAYS_MIN} needed "
            f"(labels for {window.coverage:.0%} of {window.predicted} predictions)"
        )
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    if whole.predicted < rule.coverage_min * window.predicted:
        share = whole.predicted / window.predicted
        reason = f"days with {share:.0%} of {window.predicted} predictions are labelled, {rule.coverage_min:.0%} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    excess = clustered_mean([cohort.losses for cohort in whole.cohorts])
    below, above = whole.hidden(excess.value)
    increase, lower = excess.value - reference_excess, excess.lower(rule.alpha) - reference_excess - below
    reason = (
        f"excess {rule.measure} {excess.value:+.4f} against {reference_excess:+.4f} when accepted: "
        f"increase {increase:+.4f}, at least {lower:+.4f} ({1 - rule.alpha:.0%} bound, {days} days), "
        f"labels for {whole.coverage:.1%}"
    )
    if above:
        reason += f", what is missing may take {below:.4f} or add {above:.4f}"
    if lower > rule.tolerated:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if increase + above <= rule.tolerated else Outcome.INCONCLUSIVE
    return Verdict(CHECK, outcome, reason, rows, statistic=increase, threshold=rule.tolerated)
