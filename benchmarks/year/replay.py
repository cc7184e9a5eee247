"""The year 2013 lived through: without a retrain, with one at every alarm of Evidently's preset, and by our rules.

All begin with the model that two months of data give, look once a day at what was known then, and are scored on the
same flights. Training, comparison, distances, verdicts and cool-down are the functions that the flows call; what is
left out is Prefect, the registry, the signature and the rollout.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.year.world import FIRST_UNTIL, LOSS, PRESET_DISTANCE, Candidate, Fitted, World, fit
from healing.persistence import CoolDown, persists
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
from tasks.monitoring.distances import columns_of, distance
from tasks.monitoring.judgement import judge_quality_windows
from tasks.monitoring.monitored_model import Subject
from tasks.monitoring.windows import answered_rows
from tasks.training.candidate_comparison import compare_with_baselines
from tasks.training.comparison import ComparisonOutcome, ComparisonRule, compare

if TYPE_CHECKING:
    import pandas as pd

PRESET_SHARE = 0.5  # of the columns: Evidently's threshold for a dataset


@dataclass(slots=True)
class Life:
    """What a policy did: who served from which day on, and what it cost."""

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


def begin(first: Fitted) -> Life:
    """The first model serves from the day after the last that it may have seen."""
    return Life([(FIRST_UNTIL + timedelta(days=1), first)])


def every_alarm(world: World, first: Fitted, last: date, share: float | None) -> Life:
    """Retrain on all that is known at every alarm of the preset on the last seven days, and serve the result unseen.

    An alarm is a drifted column; with `share`, at least that share of drifted columns. Its reference are the days that
    the champion learned from last, as many as ours.
    """
    life = begin(first)
    days = world.pipeline.monitor.window_days
    for day in _days(last):
        subject = _subject(world, life.champion, day)
        if subject.windows(days, 1) and _preset_alarms(subject, share):
            life.trained += 1
            life.promote(fit(world, day, holdout_days=1, label_coverage_min=0.0).fitted, after=day)
    return life


def ours(world: World, first: Fitted, last: date, *, renewed: bool) -> Life:
    """Retrain when quality on labels has fallen for long enough, and promote a candidate that wins on the same rows.

    When `renewed`, also whenever the cool-down is over, as a schedule of `retrain` does: a candidate still has to win.
    """
    life, acted_until = begin(first), None
    rules = world.pipeline.monitor
    cool_down = CoolDown(rules.cooldown_days)
    for day in _days(last):
        if day <= cool_down.ends(life.champion.accepted_until, acted_until):
            continue
        if renewed or _quality_has_fallen(_subject(world, life.champion, day)):
            acted_until = day
            life.trained += 1
            candidate = fit(world, day, world.pipeline.retrain.holdout_days)
            if wins(world, candidate, life.champion):
                life.promote(candidate.fitted, after=day)
    return life


POLICIES: dict[str, Callable[[World, Fitted, date], Life]] = {
    "never": lambda _, first, __: begin(first),
    "every_alarm": partial(every_alarm, share=None),
    "half_the_columns": partial(every_alarm, share=PRESET_SHARE),
    "ours": partial(ours, renewed=False),
    "ours_renewed": partial(ours, renewed=True),
}


def wins(world: World, candidate: Candidate, champion: Fitted) -> bool:
    """Whether the candidate passes the comparison that `retrain` makes: all baselines, all segments."""
    estimator = candidate.fitted.model.estimator
    return compare_with_baselines(world.pipeline, candidate.plan, candidate.dataset, estimator, champion.model).accepted


def worse_afterwards(world: World, life: Life, days: int = 14) -> int:
    """Promotions whose model lost to the one before it on the next `days`, beyond the comparison's stated error."""
    rule = ComparisonRule(rows_min=world.pipeline.monitor.rows_min)
    count = 0
    for (_, before), (since, after) in zip(life.serving, life.serving[1:], strict=False):
        rows = world.rows(since, since + timedelta(days=days - 1))
        labels = rows[LABEL].to_numpy()
        loss = LOSS.of(after.predict(rows), labels) - LOSS.of(before.predict(rows), labels)
        count += compare("the successor", by_day(rows[BATCH_DAY], loss), rule).outcome is ComparisonOutcome.WIN
    return count


def answers(world: World, life: Life, last: date) -> "pd.DataFrame":
    """Every scored flight with the answer of whoever served on its day."""
    import pandas as pd

    ends = [since - timedelta(days=1) for since, _ in life.serving[1:]] + [last]
    parts = []
    for (since, fitted), until in zip(life.serving, ends, strict=True):
        rows = world.rows(since, until)
        if len(rows):
            parts.append(rows[[BATCH_DAY, LABEL]].assign(**{PREDICTION: fitted.predict(rows)}))
    return pd.concat(parts)


def _days(last: date) -> Iterator[date]:
    """The days at whose end something can still be done about the next one."""
    day = FIRST_UNTIL + timedelta(days=1)
    while day < last:
        yield day
        day += timedelta(days=1)


def _quality_has_fallen(subject: Subject) -> bool:
    rules = subject.rules
    outcomes = [judged.verdict.outcome for judged in judge_quality_windows(subject)]
    return persists(outcomes, rules.persistence_failed, rules.persistence_windows)


def _subject(world: World, fitted: Fitted, until: date) -> Subject:
    return Subject(
        model=fitted.model,
        labels=world.labels,
        until=until,
        accepted_until=fitted.accepted_until,
        rules=world.pipeline.monitor,
    )


def _preset_alarms(subject: Subject, share: float | None) -> bool:
    """What the preset says of the window: its distances are ours to 1e-9, so its verdict needs no report."""
    kinds = dict(subject.kinds)
    del kinds[PREDICTION]
    window = subject.windows(subject.rules.window_days, 1)[0]
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
    now, usual = (columns_of(side, kinds) for side in (rows, subject.reference))
    drifted = sum(distance(now[name], usual[name]) >= PRESET_DISTANCE for name in kinds)
    return drifted / len(kinds) >= share if share else drifted > 0
