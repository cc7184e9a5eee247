"""Retraining policies: never, on fixed schedules, at every drift or change that a detector reports, and by our rules.

All policies begin with the same first model, decide once per day with the data known then, and are scored on the same
rows. Training, comparison, refit, distances, verdicts and cool-down are the functions that the flows call. Prefect, the
registry, the signature, the checks for doubtful data and the rollout are left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from healing.errors import TrainingRefused
from tasks.backtest.fit_store import FitStore
from tasks.backtest.fits import AcceptedModel, FitKey, FitKind
from tasks.backtest.replayed_model import ReplayedModel, ServingModel
from tasks.evaluation.labels import day_end
from tasks.evaluation.losses import VARIANCE
from tasks.evaluation.scores import one_hot
from tasks.lake.columns import KNOWN_AT, LABEL
from tasks.monitoring.persistence import CoolDown
from tasks.monitoring.renewal import is_due
from tasks.training.candidate_comparison import compare_with_baselines
from tasks.training.earlier_champions import compare_earlier
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HALF_OF_THE_COLUMNS = 0.5  # Evidently's threshold for a dataset


@dataclass(frozen=True, slots=True)
class Served:
    """A fit that served from day `since` on, until the next one served."""

    since: date
    fit: FitKey


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """What a policy did: the days after which it trained, and what served, in the order of days.

    `returned` are the days after which an earlier champion served again.
    """

    trained: tuple[date, ...]
    served: tuple[Served, ...]
    returned: tuple[date, ...] = ()

    @property
    def promoted(self) -> int:
        """The new models that served after the first one."""
        return len(self.served) - 1 - len(self.returned)


@dataclass(frozen=True, slots=True)
class Period:
    """The replayed days: the first model is trained at the end of `start`; days until `last` are served."""

    start: date
    last: date

    def days(self) -> Iterator[date]:
        """The days after which a policy decides: each has a day after it that can be served."""
        day = self.start + timedelta(days=1)
        while day < self.last:
            yield day
            day += timedelta(days=1)

    def every(self, days: int) -> Iterator[date]:
        """The days of a fixed schedule."""
        day = self.start + timedelta(days=days)
        while day < self.last:
            yield day
            day += timedelta(days=days)


Policy = Callable[[FitStore, Period], PolicyRun]


class _Replay:
    """A policy's run in the making."""

    def __init__(self, fits: FitStore, period: Period) -> None:
        self.fits = fits
        self.serving = fits.serving(fits.accepted(period.start))
        self.replaced: ServingModel | None = None
        self.earlier: list[AcceptedModel] = []  # the newest first
        self.trained: list[date] = []
        self.returned: list[date] = []
        self.served = [Served(period.start + timedelta(days=1), self.serving.accepted.fit.key)]

    @property
    def accepted(self) -> AcceptedModel:
        return self.serving.accepted

    def promote(self, model: AcceptedModel, after: date) -> None:
        left = [self.accepted, *self.earlier]
        self.earlier = [each for each in left if each.fit.key != model.fit.key]
        self.replaced, self.serving = self.serving, self.fits.serving(model)
        self.served.append(Served(after + timedelta(days=1), model.fit.key))

    def predecessor_at(self, day: date) -> ReplayedModel | None:
        """The model that the serving one replaced, as the monitor sees it at the end of `day`."""
        return None if self.replaced is None else self.replaced.at(day)

    def retrain_unchecked(self, day: date) -> None:
        """Retrain on all rows with mature labels, and serve the result."""
        found = self.fits.find(FitKey(FitKind.WHOLE, day))
        if found is not None:
            self.trained.append(day)
            self.promote(AcceptedModel.unchecked(found), after=day)

    def retrain(self, day: date, earlier_max: int = 0) -> None:
        """Retrain as the flow does: a candidate that no comparison blocks is fitted again on all rows and promoted.

        Of the `earlier_max` newest earlier champions, one that wins returns instead. That counts as a retrain, because
        a new model is fitted for the comparison.
        """
        history = self.fits.history
        plan = history.plan_at(day)
        returning = self._returning(plan, earlier_max)
        if returning is not None:
            self.trained.append(day)
            self.promote(returning.returned(plan), after=day)
            self.replaced = None  # its data are not newer, so their difference is no gain of newer data
            self.returned.append(day)
            return
        compared = self.fits.find(FitKey(FitKind.COMPARED, day))
        if compared is None:
            return
        self.trained.append(day)
        dataset, champion = history.dataset(plan), self.accepted.model
        estimator = compared.model.estimator
        if compare_with_baselines(history.pipeline, plan, dataset, estimator, champion).accepted:
            self.promote(self.fits.accepted(day), after=day)

    def _returning(self, plan: TrainingPlan, earlier_max: int) -> AcceptedModel | None:
        """The earlier champion that returns, None if there is none."""
        if not self.earlier or not earlier_max:
            return None
        history = self.fits.history
        try:
            dataset = history.dataset(plan)
        except TrainingRefused:
            return None
        models = {str(number): each.model for number, each in enumerate(self.earlier[:earlier_max])}
        found = compare_earlier(
            history.pipeline, plan, dataset, self.accepted.model, models, history.pipeline.estimator()
        )
        return next((self.earlier[int(each.digest)] for each in found if each.returns), None)

    def done(self) -> PolicyRun:
        return PolicyRun(tuple(self.trained), tuple(self.served), tuple(self.returned))


def never(fits: FitStore, period: Period) -> PolicyRun:
    """Keep the first model."""
    return PolicyRun((), (Served(period.start + timedelta(days=1), first_fit(fits, period)),))


def scheduled(fits: FitStore, period: Period, *, every_days: int) -> PolicyRun:
    """Retrain by a fixed schedule, and serve the result unchecked."""
    first = never(fits, period)
    keys = [FitKey(FitKind.WHOLE, day) for day in period.every(every_days)]
    trained = [key for key in keys if fits.ensure(key)]
    served = (Served(key.until + timedelta(days=1), key) for key in trained)
    return PolicyRun(tuple(key.until for key in trained), (*first.served, *served))


def every_alarm(fits: FitStore, period: Period, *, share: float | None = None) -> PolicyRun:
    """Retrain whenever Evidently's preset reports drift in the last window, and serve the result unchecked."""
    replay = _Replay(fits, period)
    for day in period.days():
        if replay.serving.at(day).preset_reports_drift(share):
            replay.retrain_unchecked(day)
    return replay.done()


def adwin(fits: FitStore, period: Period) -> PolicyRun:
    """Retrain when ADWIN finds that the squared errors of the serving model changed, and serve the result unchecked.

    ADWIN with the defaults of river, on the scored rows in the order in which their labels arrived; it begins anew
    after each retrain. (Bifet & Gavaldà, *Learning from time-changing data with adaptive windowing*, 2007.)
    """
    from river.drift import ADWIN

    new_detector: Callable[[], Any] = ADWIN  # river has no types
    replay, detector, changed = _Replay(fits, period), new_detector(), False
    for day in period.days():
        for error in _errors(replay, day):
            detector.update(error)
            changed = changed or detector.drift_detected
        if changed:
            replay.retrain_unchecked(day)
            detector, changed = new_detector(), False
    return replay.done()


def _errors(replay: _Replay, day: date) -> "NDArray[np.float64]":
    """Squared errors of the serving model on the scored rows whose label arrived on `day`, each between 0 and 1."""
    import numpy as np

    history, fit = replay.fits.history, replay.accepted.fit
    rows, zone = history.scored, history.source.zone
    arrived = (rows[KNOWN_AT] > day_end(day - timedelta(days=1), zone)) & (rows[KNOWN_AT] <= day_end(day, zone))
    places = np.flatnonzero(arrived)
    places = places[np.argsort(rows[KNOWN_AT].to_numpy()[places], kind="stable")]
    variance = replay.accepted.model.manifest.reference.metrics.get(VARIANCE, 1.0)  # of a quantity only
    predictions, labels = replay.fits.scored(fit.key)[places], rows[LABEL].to_numpy()[places]
    if predictions.ndim == 1:
        errors = (predictions - labels) ** 2 / variance
    else:  # of several classes half of the Brier score, which is 2 at most
        errors = ((predictions - one_hot(labels, predictions.shape[1])) ** 2).sum(axis=1) / 2
    known: NDArray[np.float64] = np.minimum(errors[np.isfinite(errors)], 1.0)
    return known


def on_grid(fits: FitStore, period: Period, grid: Sequence[FitKey], blocks: Sequence[int]) -> PolicyRun:
    """Retrain before some blocks of days (from 1), each of which begins after a fit of `grid`; serve it unchecked."""
    keys = [key for key in (grid[block - 1] for block in sorted(blocks)) if fits.has(key)]
    served = (Served(key.until + timedelta(days=1), key) for key in keys)
    return PolicyRun(tuple(key.until for key in keys), (*never(fits, period).served, *served))


def ours(
    fits: FitStore, period: Period, *, every_days: int | None, cost: float = 0.0, earlier_max: int | None = None
) -> PolicyRun:
    """Retrain when a quality drop on labels persists, and with `every_days` also by schedule, as the flows do.

    `cost` is what one retrain costs (`retrain.cost`); it postpones the schedule. `earlier_max` replaces
    `retrain.earlier_champions_max`.
    """
    replay, acted_until = _Replay(fits, period), period.start
    rules = fits.history.pipeline.retrain.model_copy(update={"every_days": every_days, "cost": cost})
    compared_max = rules.earlier_champions_max if earlier_max is None else earlier_max
    cool_down = CoolDown(fits.history.pipeline.monitor.cooldown_days)
    for day in period.days():
        serving = replay.serving.at(day)
        cools = day <= cool_down.ends(replay.accepted.accepted_until, acted_until)
        by_schedule = is_due(serving, acted_until, rules, partial(replay.predecessor_at, day))
        if by_schedule or (not cools and replay.serving.quality_dropped_at(day)):
            acted_until = day
            replay.retrain(day, compared_max)
    return replay.done()


def policy_named(name: str, every_days: int, cost: float = 0.0) -> Policy:
    """The policy of a name; `every_days` and `cost` are those of our schedule.

    `every_N_days` is a fixed schedule of N days.
    """
    policies: dict[str, Policy] = {
        "never": never,
        "every_alarm": every_alarm,
        "half_the_columns": partial(every_alarm, share=HALF_OF_THE_COLUMNS),
        "adwin": adwin,
        "ours": partial(ours, every_days=every_days, cost=cost),
        "ours_at_price": partial(ours, every_days=every_days, cost=cost),
        "ours_without_returns": partial(ours, every_days=every_days, cost=cost, earlier_max=0),
        "ours_on_drops": partial(ours, every_days=None),
    }
    if name in policies:
        return policies[name]
    return partial(scheduled, every_days=int(name.removeprefix("every_").removesuffix("_days")))


def first_fit(fits: FitStore, period: Period) -> FitKey:
    """What serves at the beginning of each policy."""
    return FitKey(FitKind.WHOLE if fits.refit_agrees(period.start) else FitKind.COMPARED, period.start)


def first_day_to_train(fits: FitStore, since: date, until: date) -> date:
    """The first day from `since` to `until` at whose end a training has enough rows. TrainingRefused without one."""
    history, day = fits.history, since
    while True:
        try:
            history.dataset(history.plan_at(day))
        except TrainingRefused:
            if day >= until:
                raise
            day += timedelta(days=1)
        else:
            return day
