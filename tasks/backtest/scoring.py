"""Losses of fits and of policy runs on the scored rows, and which promotions were wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from tasks.backtest.fit_store import FitStore
from tasks.backtest.fits import FitKey
from tasks.backtest.policies import Period, PolicyRun
from tasks.evaluation.clustered import DaySum
from tasks.evaluation.losses import Loss
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.training.comparison import ComparisonOutcome, ComparisonRule, compare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scoring:
    """How runs are scored: the fits, the period, and one loss for all of them."""

    fits: FitStore
    period: Period
    loss: Loss

    @cached_property
    def inside(self) -> "NDArray[np.bool_]":
        """Which scored rows lie in the period."""
        days = self._days
        inside: NDArray[np.bool_] = (days > self.period.start.toordinal()) & (days <= self.period.last.toordinal())
        return inside

    def predictions(self, run: PolicyRun) -> "NDArray[np.float64]":
        """For each scored row the prediction of the model that served on its day; NaN outside of the period."""
        import numpy as np

        served = np.full_like(self.fits.scored(run.served[0].fit), np.nan)
        ends = [later.since for later in run.served[1:]] + [self.period.last + timedelta(days=1)]
        for each, end in zip(run.served, ends, strict=True):
            where = self._between(each.since, end)
            served[where] = self.fits.scored(each.fit)[where]
        return served

    def losses(self, predictions: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """The loss of each scored row; NaN where the prediction is."""
        return self.loss.of(predictions, self.labels)

    def daily(self, values: "NDArray[np.float64]") -> tuple[DaySum, ...]:
        """The sums of a quantity of the scored rows, by day of the period."""
        return by_day(self.fits.history.scored[BATCH_DAY][self.inside], values[self.inside])

    def wrong_promotions(self, run: PolicyRun) -> tuple[date, ...]:
        """First days of models that lost significantly to the model before on the next window of labels.

        The window is the monitor's `quality_window_days`.
        """
        rules = self.fits.history.pipeline.monitor
        rows_min = max(1, round(rules.rows_min * self.fits.history.scored_share))
        rule, wrong = ComparisonRule(rows_min=rows_min), []
        for before, after in zip(run.served, run.served[1:], strict=False):
            where = self._between(after.since, after.since + timedelta(days=rules.quality_window_days))
            loss = self.losses(self.fits.scored(after.fit)) - self.losses(self.fits.scored(before.fit))
            days = by_day(self.fits.history.scored[BATCH_DAY][where], loss[where])
            if compare("the successor", days, rule).outcome is ComparisonOutcome.WIN:
                wrong.append(after.since)
        return tuple(wrong)

    def block_losses(self, first: FitKey, later: Sequence[FitKey]) -> "NDArray[np.float64]":
        """Total loss of each fit on each block of days, scaled to all labelled rows; shape (blocks, blocks).

        Entry [i, j] is the loss on block j of the fit that was trained at its beginning for j = i, and earlier for
        j > i. Block 0 begins with the period. A row is infinite where the training was refused.
        """
        import numpy as np

        block, blocks = self._blocks(later)
        losses = np.full((blocks, blocks), np.inf)
        for row, key in enumerate((first, *later)):
            if not self.fits.has(key):
                continue
            found = np.nan_to_num(self.losses(self.fits.scored(key))[self.inside])  # NaN before it was trained
            losses[row] = np.bincount(block, weights=found, minlength=blocks) / self.fits.history.scored_share
        return losses

    def block_rows(self, later: Sequence[FitKey]) -> "NDArray[np.float64]":
        """Labelled rows of each block of `block_losses`, estimated from the scored ones; shape (blocks,)."""
        import numpy as np

        block, blocks = self._blocks(later)
        return np.bincount(block, minlength=blocks) / self.fits.history.scored_share

    def _blocks(self, later: Sequence[FitKey]) -> "tuple[NDArray[np.intp], int]":
        """The block of each scored row in the period, and the number of blocks."""
        import numpy as np

        starts = np.array([self.period.start.toordinal(), *(key.until.toordinal() for key in later)])
        return np.searchsorted(starts, self._days[self.inside], side="left") - 1, len(starts)

    @cached_property
    def labels(self) -> "NDArray[np.float64]":
        return self.fits.history.scored[LABEL].to_numpy()

    @property
    def _days(self) -> "NDArray[np.int64]":
        return self.fits.history.scored_days

    def _between(self, since: date, end: date) -> "NDArray[np.bool_]":
        """Which scored rows are in the period, on the days from `since` to the day before `end`."""
        where: NDArray[np.bool_] = self.inside & (self._days >= since.toordinal()) & (self._days < end.toordinal())
        return where
