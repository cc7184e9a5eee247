"""Retraining policies: never, at every drift that Evidently's preset reports, on fixed schedules, and by our rules.

All policies begin with the same first model, decide once per day with the data known then, and are scored on the same
rows. Training, comparison, refit, distances, verdicts and cool-down are the functions that the flows call. Prefect, the
registry, the signature, the checks for doubtful data and the rollout are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from healing.errors import TrainingRefused
from tasks.backtest.fit_store import FitStore
from tasks.backtest.fits import AcceptedModel, FitKey, FitKind
from tasks.backtest.replayed_model import ServingModel
from tasks.monitoring.persistence import CoolDown
from tasks.training.candidate_comparison import compare_with_baselines

HALF_OF_THE_COLUMNS = 0.5  # Evidently's threshold for a dataset


@dataclass(frozen=True, slots=True)
class Served:
    """A fit that served from day `since` on, until the next one served."""

    since: date
    fit: FitKey


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """What a policy did: the days after which it trained, and what served, in the order of days."""

    trained: tuple[date, ...]
    served: tuple[Served, ...]

    @property
    def promoted(self) -> int:
        return len(self.served) - 1


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
        self.serving = ServingModel(fits.history, fits.accepted(period.start))
        self.trained: list[date] = []
        self.served = [Served(period.start + timedelta(days=1), self.serving.accepted.fit.key)]

    @property
    def accepted(self) -> AcceptedModel:
        return self.serving.accepted

    def promote(self, model: AcceptedModel, after: date) -> None:
        self.serving = ServingModel(self.fits.history, model)
        self.served.append(Served(after + timedelta(days=1), model.fit.key))

    def retrain_unchecked(self, day: date) -> None:
        """Retrain on all rows with mature labels, and serve the result."""
        found = self.fits.find(FitKey(FitKind.WHOLE, day))
        if found is not None:
            self.trained.append(day)
            self.promote(AcceptedModel.unchecked(found), after=day)

    def retrain(self, day: date) -> None:
        """Retrain as the flow does: a candidate that no comparison blocks is fitted again on all rows and promoted."""
        compared = self.fits.find(FitKey(FitKind.COMPARED, day))
        if compared is None:
            return
        self.trained.append(day)
        history = self.fits.history
        plan = history.plan_at(day)
        dataset, champion = history.dataset(plan), self.accepted.model
        estimator = compared.model.estimator
        if compare_with_baselines(history.pipeline, plan, dataset, estimator, champion).accepted:
            self.promote(self.fits.accepted(day), after=day)

    def done(self) -> PolicyRun:
        return PolicyRun(tuple(self.trained), tuple(self.served))


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


def ours(fits: FitStore, period: Period, *, every_days: int | None) -> PolicyRun:
    """Retrain when a quality drop on labels persists, and with `every_days` also by schedule, as the flows do."""
    replay, acted_until = _Replay(fits, period), period.start
    cool_down = CoolDown(fits.history.pipeline.monitor.cooldown_days)
    for day in period.days():
        accepted_until = replay.accepted.accepted_until
        is_due = every_days is not None and day >= max(accepted_until, acted_until) + timedelta(days=every_days)
        cools = day <= cool_down.ends(accepted_until, acted_until)
        if is_due or (not cools and replay.serving.at(day).quality_dropped):
            acted_until = day
            replay.retrain(day)
    return replay.done()


def policy_named(name: str, every_days: int) -> Policy:
    """The policy of a name; `every_days` is our schedule. `every_N_days` is a fixed schedule of N days."""
    policies: dict[str, Policy] = {
        "never": never,
        "every_alarm": every_alarm,
        "half_the_columns": partial(every_alarm, share=HALF_OF_THE_COLUMNS),
        "ours": partial(ours, every_days=every_days),
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
