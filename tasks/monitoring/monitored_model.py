"""What the monitor looks at: the champion on the days after those that it was made and accepted with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from healing.quality import QualityRule, coverage_to_expect
from healing.verdict import Outcome, Verdict
from releases.loader import LoadedModel
from tasks.config.monitor_section import Monitor
from tasks.evaluation.labels import (
    LabelDelay,
    LabelSource,
    day_end,
    days_until_labelled,
    join_labels,
    read_features,
)
from tasks.evaluation.losses import Loss, loss_of
from tasks.lake.columns import ASKED_AT, BATCH_DAY, FEATURES, PREDICTION
from tasks.lake.lake_table import LakeTable
from tasks.monitoring.checks.drift import kinds_of
from tasks.monitoring.distances import Kind
from tasks.monitoring.windows import DayRange, counted_cohorts, windows_back
from tasks.training.inference import as_inputs

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_ROWS = 20_000  # some 2,500 a week of 8: more than a window's sample, and answered in a third of a second
_SEED = 20130101


@dataclass(frozen=True)
class Subject:
    """The champion under judgement, on the lake as it is known at the end of day `until`.

    What several checks need of it is read once, when the first of them asks.
    """

    model: LoadedModel
    labels: LabelSource
    until: date
    accepted_until: date  # the last day that the champion was compared on before it became champion
    rules: Monitor

    @property
    def loss(self) -> Loss:
        """How the champion's answers are held against labels."""
        return loss_of(self.model.manifest.reference.metrics)

    @property
    def quality_rule(self) -> QualityRule:
        """When a loss of quality counts."""
        rules = self.rules
        return QualityRule(
            rows_min=rules.rows_min,
            tolerated=rules.loss_increase_tolerated,
            coverage_min=rules.label_coverage_min,
            measure=self.loss.name,
        )

    @property
    def reference_excess(self) -> float:
        """Excess loss on the rows that the champion was accepted on, at least the zero of a calibrated model.

        A lucky fortnight may show less than zero; to hold the champion against that would punish it for its luck.
        """
        return max(0.0, self.model.manifest.reference.metrics.get(self.loss.excess_metric, 0.0))

    @cached_property
    def accepted(self) -> "pd.DataFrame":
        """The rows that the champion was accepted on, later than all it learned from: its answers, and their labels."""
        first = date.fromisoformat(self.model.manifest.trained_until) + timedelta(days=1)
        rows = read_features(self.labels.lake_root, self.labels.key, first, self.accepted_until)
        return join_labels(self.answered(rows), self.labels, day_end(self.until, self.labels.zone))

    @cached_property
    def reference(self) -> "pd.DataFrame":
        """A sample of the last days that the champion was made and accepted with, and its answers to them."""
        rows = read_features(self.labels.lake_root, self.labels.key, self._reference_from, self.accepted_until)
        if len(rows) > REFERENCE_ROWS:
            rows = rows.sample(REFERENCE_ROWS, random_state=_SEED).sort_index()
        return self.answered(rows)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """How each input, and the prediction, is compared."""
        return column_kinds(self.model)

    @cached_property
    def label_days(self) -> int:
        """Days after the day of asking until a day has labels enough to count; 0 where nobody knows."""
        return days_until_labelled(self.accepted, self.labels.zone, self.rules.label_coverage_min)

    @cached_property
    def usual_coverage(self) -> float | None:
        """The coverage that a quality window has at least as a rule, by the whole days of the reference."""
        table = LakeTable(self.labels.lake_root, FEATURES, [self.labels.key])
        columns = [self.labels.key, BATCH_DAY, ASKED_AT]
        rows = table.read(since=self._reference_from, until=self.accepted_until, columns=columns)
        cohorts = counted_cohorts(join_labels(rows, self.labels, day_end(self.until, self.labels.zone)))
        whole = [cohort for cohort in cohorts if cohort.coverage >= self.rules.label_coverage_min]
        return coverage_to_expect(whole, self.rules.quality_window_days)

    @property
    def _reference_from(self) -> date:
        return max(
            date.fromisoformat(self.model.manifest.trained_from),
            self.accepted_until - timedelta(days=self.rules.reference_days - 1),
        )

    def answered(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """`rows` with what the model answers to them."""
        inputs = as_inputs(rows, self.model.manifest.input_schema)
        return rows.assign(**{PREDICTION: self.model.predict(inputs) if len(rows) else 0.0})

    def windows(self, days: int, count: int, lag_days: int = 0) -> tuple[DayRange, ...]:
        """Windows after the days that the champion was made and accepted with, the newest `lag_days` back."""
        return windows_back(self.until - timedelta(days=lag_days), days, count, after=self.accepted_until)

    def too_new(self, check: str, days: int, lag_days: int = 0) -> "Judged":
        """What a check says before the first of its windows is over."""
        last = self.until - timedelta(days=lag_days)
        late = f", and labels come {lag_days} days late" if lag_days else ""
        reason = f"{days} days are needed after {self.accepted_until}, the last that the champion was accepted on{late}"
        verdict = Verdict(check, Outcome.INCONCLUSIVE, reason, observations=0)
        return Judged(DayRange(last - timedelta(days=days - 1), last), verdict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on one window, with what stands behind a verdict on labels."""

    window: DayRange
    verdict: Verdict
    logged_share: float | None = None
    delay: LabelDelay | None = None


def column_kinds(model: LoadedModel) -> Mapping[str, Kind]:
    """How each input of a model, and its prediction, is compared."""
    columns = [(column.name, column.type) for column in model.manifest.input_schema.columns]
    return kinds_of([*columns, (PREDICTION, "double")])
