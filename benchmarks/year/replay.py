"""The year 2013 lived through by three policies: never retrain, retrain at every alarm of Evidently's preset, and ours.

All begin with the model that two months of data give, look once a day at what was known then, and are scored on the
same flights. Training, comparison, distances, verdicts and cool-down are the functions that the flows call; what is
left out is Prefect, the registry, the signature and the rollout.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.year.lake import LAST
from benchmarks.year.world import FIRST_UNTIL, LOSS, PRESET_DISTANCE, Fitted, World, fit
from healing.comparison import Comparison, ComparisonRule, compare
from healing.persistence import CoolDown, persists
from tasks.checks.contract import BATCH_DAY
from tasks.monitoring.distances import columns_of, distance
from tasks.monitoring.evaluation import by_day
from tasks.monitoring.judgement import Subject, column_kinds, judge_quality_windows, reference_rows
from tasks.monitoring.labels import LABEL
from tasks.monitoring.windows import PREDICTION, answered_rows

if TYPE_CHECKING:
    import pandas as pd

PRESET_SHARE = 0.5  # of the columns: Evidently's threshold for a dataset


@dataclass(slots=True)
class Life:
    """What a policy did: who served from which day on, and what it cost."""

    serving: list[tuple[date, Fitted]]  # first day of service; in the order of days
    trained: int = 0
    alarms: int = 0
    refused: list[date] = field(default_factory=list)

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


def every_alarm(world: World, first: Fitted, share: float | None) -> Life:
    """Retrain on all that is known at every alarm of the preset on the last seven days, and serve the result.

    An alarm is a drifted column; with `share`, at least that share of drifted columns. Its reference are the days that
    the champion learned from last, as many as ours.
    """
    life = begin(first)
    rules = world.pipeline.monitor
    day = FIRST_UNTIL + timedelta(days=rules.window_days)
    while day < LAST:
        subject = _subject(world, life.champion, day)
        if subject.windows(rules.window_days, 1) and _preset_alarms(subject, share):
            life.alarms += 1
            life.trained += 1
            life.promote(fit(world, day, holdout_days=1), after=day)
        day += timedelta(days=1)
    return life


def ours(world: World, first: Fitted) -> Life:
    """Retrain when quality on labels has fallen for long enough, and promote a candidate that wins on the same rows."""
    life, acted_until = begin(first), None
    rules = world.pipeline.monitor
    cool_down = CoolDown(rules.cooldown_days)
    day = FIRST_UNTIL + timedelta(days=1)
    while day < LAST:
        if day > cool_down.ends(life.champion.accepted_until, acted_until):
            verdicts = [judged.verdict for judged in judge_quality_windows(_subject(world, life.champion, day))]
            if persists([each.outcome for each in verdicts], rules.persistence_failed, rules.persistence_windows):
                life.alarms += 1
                life.trained += 1
                acted_until = day
                candidate = fit(world, day, world.pipeline.retrain.holdout_days)
                if wins(world, candidate, life.champion):
                    life.promote(candidate, after=day)
                else:
                    life.refused.append(day)
        day += timedelta(days=1)
    return life


POLICIES: dict[str, Callable[[World, Fitted], Life]] = {
    "never": lambda _, first: begin(first),
    "every_alarm": partial(every_alarm, share=None),
    "half_the_columns": partial(every_alarm, share=PRESET_SHARE),
    "ours": ours,
}


def wins(world: World, candidate: Fitted, champion: Fitted) -> bool:
    """Whether the candidate beats base rate and champion on its held-out rows, as `retrain` compares them."""
    import numpy as np

    rows = candidate.held_out
    days, labels = rows[BATCH_DAY], rows[LABEL].to_numpy()
    losses = LOSS.of(candidate.predict(rows), labels)
    rule = ComparisonRule(rows_min=world.pipeline.monitor.rows_min)
    rivals = {"base rate": np.full(len(rows), candidate.base_rate), "champion": champion.predict(rows)}
    return all(
        compare(name, by_day(days, LOSS.of(answers, labels) - losses), rule).outcome is Comparison.WIN
        for name, answers in rivals.items()
    )


def worse_afterwards(world: World, life: Life, days: int = 14) -> int:
    """Promotions whose model lost to the one before it on the next `days`, beyond the comparison's stated error."""
    rule = ComparisonRule(rows_min=world.pipeline.monitor.rows_min)
    count = 0
    for (_, before), (since, after) in zip(life.serving, life.serving[1:], strict=False):
        rows = world.rows(since, since + timedelta(days=days - 1))
        labels = rows[LABEL].to_numpy()
        loss = LOSS.of(after.predict(rows), labels) - LOSS.of(before.predict(rows), labels)
        count += compare("the successor", by_day(rows[BATCH_DAY], loss), rule).outcome is Comparison.WIN
    return count


def answers(world: World, life: Life) -> "pd.DataFrame":
    """Every scored flight with the answer of whoever served on its day."""
    import pandas as pd

    ends = [since - timedelta(days=1) for since, _ in life.serving[1:]] + [LAST]
    parts = []
    for (since, fitted), until in zip(life.serving, ends, strict=True):
        rows = world.rows(since, until)
        if len(rows):
            parts.append(rows[[BATCH_DAY, LABEL]].assign(**{PREDICTION: fitted.predict(rows)}))
    return pd.concat(parts)


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
    kinds = dict(column_kinds(subject.model))
    del kinds[PREDICTION]
    window = subject.windows(subject.rules.window_days, 1)[0]
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
    now, usual = (columns_of(side, kinds) for side in (rows, reference_rows(subject)))
    drifted = sum(distance(now[name], usual[name]) >= PRESET_DISTANCE for name in kinds)
    return drifted / len(kinds) >= share if share else drifted > 0
