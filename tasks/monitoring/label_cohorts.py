"""Cohorts: the rows of one day, with how many have a mature label, and the loss of those.

Labels of failures may arrive first. So a day counts once nearly all of its rows are labelled, and labels that are
missing beyond the usual share are bounded by the worst case in both directions (Manski 1989, *Anatomy of the selection
problem*).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.config.pipeline import ClassNames
from tasks.evaluation.clustered import DaySum, clustered_mean
from tasks.evaluation.losses import Loss
from tasks.evaluation.predictions import predictions_in
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL

if TYPE_CHECKING:
    import pandas as pd

COVERAGE_TAIL = 0.05  # how often a window of usual days has a lower coverage than the expected coverage


@dataclass(frozen=True, slots=True)
class Cohort:
    """The predictions requested on one day: their number, and the losses of those that have a mature label."""

    predicted: int
    losses: DaySum

    @property
    def coverage(self) -> float:
        return self.losses.rows / self.predicted if self.predicted else 0.0


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """A window's cohorts, by day.

    `usual_coverage` is the coverage that such a window has at least (`expected_coverage`); None if unknown, then all
    rows are expected to have labels. `best` and `worst` are the mean loss if every row had its cheapest, and its
    costliest label.
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
        """Share of all predictions with a mature label."""
        labelled = sum(cohort.losses.rows for cohort in self.cohorts)
        return labelled / self.predicted if self.predicted else 0.0

    def complete(self, coverage_min: float) -> "LabelledWindow":
        """Only the days with at least that coverage: the first labels of a day may not represent the day."""
        return replace(self, cohorts=[cohort for cohort in self.cohorts if cohort.coverage >= coverage_min])

    def missing_label_bounds(self, mean: float) -> tuple[float, float]:
        """How far the mean loss of all rows may lie below and above `mean`, the mean of the labelled rows.

        Only labels missing beyond the usual share count: below if each had its cheapest label, above if its costliest.
        """
        missing = max(0.0, (1.0 if self.usual_coverage is None else self.usual_coverage) - self.coverage)
        return missing * max(0.0, mean - self.best), missing * max(0.0, self.worst - mean)


def expected_coverage(usual: Sequence[Cohort], days: int) -> float | None:
    """The coverage that 95 % of windows of `days` usual days have at least. None with fewer than two usual days.

    Some labels never arrive (a cancelled flight never lands), on some days more than on others. So this is the mean of
    the usual days, less Student's prediction margin for the mean of `days` further days.
    """
    from scipy.stats import t

    filled = [cohort for cohort in usual if cohort.predicted]
    if len(filled) < 2:
        return None
    mean = clustered_mean([DaySum(cohort.predicted, float(cohort.losses.rows)) for cohort in filled])
    widened = mean.standard_error * math.sqrt(1 + len(filled) / days)
    return max(0.0, mean.value - float(t.isf(COVERAGE_TAIL, mean.degrees)) * widened)


def labelled_window(
    joined: "pd.DataFrame", loss: Loss, usual_coverage: float | None = None, classes: ClassNames = ()
) -> LabelledWindow:
    """The window of rows with predictions that were joined with their labels. `classes` are those of the labels."""
    known = joined[joined[LABEL].notna()]
    best, worst = loss.extremes(predictions_in(known, classes), known[LABEL].to_numpy(dtype=float))
    return LabelledWindow(cohorts_of(joined, loss, classes), usual_coverage, best, worst)


def cohorts_of(joined: "pd.DataFrame", loss: Loss, classes: ClassNames = ()) -> tuple[Cohort, ...]:
    """Cohorts of rows with predictions that were joined with their labels."""
    import numpy as np

    predictions, labels = predictions_in(joined, classes), joined[LABEL].to_numpy(dtype=float)
    known = ~np.isnan(labels)
    excess = np.zeros(len(joined))
    excess[known] = loss.excess(predictions[known], labels[known])
    days = joined[BATCH_DAY]
    counted = zip(by_day(days, known.astype(float)), by_day(days, excess), strict=True)
    return tuple(Cohort(labelled.rows, DaySum(int(labelled.total), losses.total)) for labelled, losses in counted)


def unpredicted_cohorts(joined: "pd.DataFrame") -> tuple[Cohort, ...]:
    """Cohorts of rows without predictions, so without losses: only how many rows of each day have a label."""
    import numpy as np

    known = np.asarray(joined[LABEL].notna(), dtype=np.float64)
    return tuple(Cohort(day.rows, DaySum(int(day.total), 0.0)) for day in by_day(joined[BATCH_DAY], known))
