"""The year 2013 replayed by retraining policies: never, at every drift that Evidently's preset reports, by our rules.

All policies begin with the model of the first two months, decide once per day with the data known then, and are scored
on the same flights. Training, comparison, distances, verdicts and cool-down are the functions that the flows call.
Prefect, the registry, the signature and the rollout are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.year.world import FIRST_UNTIL, LOSS, PRESET_DISTANCE, Candidate, Fitted, World, fit, refit
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
from tasks.monitoring.checks.quality import judge_quality_windows
from tasks.monitoring.distances import columns_of, distance
from tasks.monitoring.monitored_model import MonitoredModel
from tasks.monitoring.persistence import CoolDown, persists
from tasks.training.candidate_comparison import compare_with_baselines
from tasks.training.comparison import ComparisonOutcome, ComparisonRule, compare

if TYPE_CHECKING:
    import pandas as pd

PRESET_SHARE = 0.5  # of the columns: Evidently's threshold for a dataset
EVERY_DAYS = 14  # the held-out days of the flights, which is the schedule that `autopilot init` would write for them


@dataclass(slots=True)
class PolicyRun:
    """What a policy did: which model served from which day on, and how often it trained."""

    serving: list[tuple[date, Fitted]]  # first day of service; in the order of days
    trained: int = 0

    @property
    def champion(self) -> Fitted:
        return self.serving[-1][1]

    def promote(self, fitted: Fitted, after: date) -> None:
        self.serving.append((after + timedelta(days=1), fitted))

    @property
    def promoted(self) -> int:
        return len(self.serving) - 1


def start(first: Fitted) -> PolicyRun:
    """The first model serves from the day after its last training or acceptance day."""
    return PolicyRun([(FIRST_UNTIL + timedelta(days=1), first)])


def every_alarm(world: World, first: Fitted, last: date, share: float | None) -> PolicyRun:
    """Retrain on all known data whenever the preset reports drift in the last window, and serve the result unchecked.

    The preset reports drift for one drifted column or more; with `share`, for at least that share of drifted columns.
    Its reference are the champion's last training and acceptance days, as many as in ours.
    """
    run = start(first)
    days = world.pipeline.monitor.window_days
    for day in _days(last):
        model = _monitored(world, run.champion, day)
        if model.windows(days, 1) and _preset_reports_drift(model, share):
            run.trained += 1
            run.promote(fit(world, day, holdout_days=1, label_coverage_min=0.0).fitted, after=day)
    return run


def ours(world: World, first: Fitted, last: date, *, every_days: int | None) -> PolicyRun:
    """Retrain when a quality drop on labels persists, and with `every_days` also by schedule, as the flows do.

    A candidate that is not worse on the same rows is fitted again on all rows and promoted.
    """
    run, acted_until = start(first), FIRST_UNTIL
    cool_down = CoolDown(world.pipeline.monitor.cooldown_days)
    for day in _days(last):
        accepted_until = run.champion.accepted_until
        is_due = every_days is not None and day >= max(accepted_until, acted_until) + timedelta(days=every_days)
        cools = day <= cool_down.ends(accepted_until, acted_until)
        if is_due or (not cools and _quality_dropped(_monitored(world, run.champion, day))):
            acted_until = day
            run.trained += 1
            candidate = fit(world, day, world.pipeline.retrain.holdout_days)
            if is_accepted(world, candidate, run.champion):
                run.promote(refit(world, candidate), after=day)
    return run


POLICIES: dict[str, Callable[[World, Fitted, date], PolicyRun]] = {
    "never": lambda _, first, __: start(first),
    "every_alarm": partial(every_alarm, share=None),
    "half_the_columns": partial(every_alarm, share=PRESET_SHARE),
    "ours": partial(ours, every_days=EVERY_DAYS),
    "ours_on_drops": partial(ours, every_days=None),
}


def is_accepted(world: World, candidate: Candidate, champion: Fitted) -> bool:
    """Whether no comparison of `retrain` blocks the candidate: on all rows, and in every segment."""
    estimator = candidate.fitted.model.estimator
    return compare_with_baselines(world.pipeline, candidate.plan, candidate.dataset, estimator, champion.model).accepted


def wrong_promotions(world: World, run: PolicyRun, days: int = 14) -> int:
    """The number of promotions whose model lost significantly to the one before on the next `days`."""
    rule = ComparisonRule(rows_min=world.pipeline.monitor.rows_min)
    count = 0
    for (_, before), (since, after) in zip(run.serving, run.serving[1:], strict=False):
        rows = world.rows(since, since + timedelta(days=days - 1))
        labels = rows[LABEL].to_numpy()
        loss = LOSS.of(after.predict(rows), labels) - LOSS.of(before.predict(rows), labels)
        count += compare("the successor", by_day(rows[BATCH_DAY], loss), rule).outcome is ComparisonOutcome.WIN
    return count


def served_predictions(world: World, run: PolicyRun, last: date) -> "pd.DataFrame":
    """All scored flights with the prediction of the model that served on their day."""
    import pandas as pd

    ends = [since - timedelta(days=1) for since, _ in run.serving[1:]] + [last]
    parts = []
    for (since, fitted), until in zip(run.serving, ends, strict=True):
        rows = world.rows(since, until)
        if len(rows):
            parts.append(rows[[BATCH_DAY, LABEL]].assign(**{PREDICTION: fitted.predict(rows)}))
    return pd.concat(parts)


def _days(last: date) -> Iterator[date]:
    """The days after which one more day follows."""
    day = FIRST_UNTIL + timedelta(days=1)
    while day < last:
        yield day
        day += timedelta(days=1)


def _quality_dropped(model: MonitoredModel) -> bool:
    rules = model.rules
    outcomes = [found.verdict.outcome for found in judge_quality_windows(model)]
    return persists(outcomes, rules.persistence_failed, rules.persistence_windows)


def _monitored(world: World, fitted: Fitted, until: date) -> MonitoredModel:
    return MonitoredModel(
        champion=fitted.model,
        labels=world.labels,
        until=until,
        accepted_until=fitted.accepted_until,
        rules=world.pipeline.monitor,
        answers=fitted.answers,
    )


def _preset_reports_drift(model: MonitoredModel, share: float | None) -> bool:
    """The preset's verdict on the newest window, from our distances: they equal the preset's to 1e-9."""
    kinds = model.input_kinds
    window = model.windows(model.rules.window_days, 1)[0]
    now, usual = (columns_of(side, kinds) for side in (model.predicted(window), model.reference))
    drifted = sum(distance(now[name], usual[name]) >= PRESET_DISTANCE for name in kinds)
    return drifted / len(kinds) >= share if share else drifted > 0
