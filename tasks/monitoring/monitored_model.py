"""The champion that the monitor judges, and the verdicts on its windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from healing.errors import UsageError
from healing.verdict import Outcome, Verdict
from releases.loader import LoadedModel
from tasks.config.monitor_section import Monitor
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelDelay, LabelSource, day_end, join_labels, label_source, sample_features
from tasks.evaluation.losses import Loss, loss_of
from tasks.evaluation.predictions import (
    class_columns,
    classes_of,
    predictions_of,
    unknown_predictions,
    with_predictions,
)
from tasks.evaluation.row_sample import RowSample
from tasks.lake.columns import PREDICTION
from tasks.lake.lake_root import LakeRoot
from tasks.monitoring.distances import ColumnKind, column_kinds
from tasks.monitoring.windows import DayRange, predicted_rows, windows_back
from tasks.training.held_out_answers import read_answers
from tasks.training.inference import as_inputs
from tasks.training.plan import feature_days

if TYPE_CHECKING:
    import pandas as pd

REFERENCE_ROWS = 20_000  # 2,500 per week for 8 weeks; the champion predicts them in a third of a second
_SEED = 20130101


@dataclass(frozen=True)
class MonitoredModel:
    """The champion, and the lake as it was known at the end of day `until`.

    Rows that several checks need are read once, when the first check needs them.
    """

    champion: LoadedModel
    labels: LabelSource
    until: date
    accepted_until: date  # the last day on which the champion was compared before its promotion
    rules: Monitor
    answers: "pd.DataFrame | None" = None  # of the compared fit, where the champion is its refit
    accepted_from: date | None = None  # the first day of the comparison by which it returned; None if it is new

    @property
    def loss(self) -> Loss:
        """The loss that compares the champion's predictions with labels."""
        return loss_of(self.champion.manifest.reference.metrics)

    @cached_property
    def accepted(self) -> "pd.DataFrame":
        """The rows on which the champion's recipe was accepted, with predictions and labels.

        The predictions are those of a fit that had not learned these rows: the champion's own, or the compared fit's.
        """
        if self.accepted_from is not None:
            return self.with_labels(self.with_predictions(self.features(self.accepted_from, self.accepted_until)))
        manifest = self.champion.manifest
        learned = manifest.trained_until if manifest.compared is None else manifest.compared.trained_until
        first = date.fromisoformat(learned) + timedelta(days=1)
        rows = self.features(first, self.accepted_until)
        answered = self.with_predictions(rows) if self.answers is None else rows.merge(self.answers, on=self.labels.key)
        return self.with_labels(answered)

    @cached_property
    def reference(self) -> "pd.DataFrame":
        """A sample of the last days on which the champion was trained and accepted, with its predictions."""
        return self.with_predictions(self.reference_inputs())

    def reference_inputs(self) -> "pd.DataFrame":
        """The rows of the reference without predictions."""
        rows = self.features(self.reference_from, self.accepted_until)
        if len(rows) > REFERENCE_ROWS:
            rows = rows.sample(REFERENCE_ROWS, random_state=_SEED).sort_index()
        return rows

    def features(self, since: date, until: date) -> "pd.DataFrame":
        """Rows of the features table whose day is in [since, until], in the order of their requests.

        Of more than `monitor.rows_max`, a sample in which each day keeps its share: see `sample_of`.
        """
        labels, window = self.labels, DayRange(since, until)
        rows, sample = sample_features(labels.lake_root, labels.key, since, until, self.rules.rows_max)
        self._samples[window] = sample
        return rows

    def sample_of(self, window: DayRange) -> RowSample | None:
        """How many of the window's rows `features` returned; None if it was not asked for them."""
        return self._samples.get(window)

    @property
    def samples(self) -> "dict[DayRange, RowSample]":
        """The samples of the days of which not all rows were read."""
        return {window: sample for window, sample in self._samples.items() if not sample.is_whole}

    @cached_property
    def _samples(self) -> "dict[DayRange, RowSample]":
        return {}

    def with_labels(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """The rows with the labels that were known at the end of day `until`."""
        return join_labels(rows, self.labels, day_end(self.until, self.labels.zone))

    def with_predictions(self, rows: "pd.DataFrame") -> "pd.DataFrame":
        """The rows with the champion's predictions, computed here."""
        inputs, classes = as_inputs(rows, self.champion.manifest.input_schema), classes_of(self.champion.manifest)
        found = predictions_of(self.champion, inputs) if len(rows) else unknown_predictions(0, classes)
        return with_predictions(rows, found, classes)

    @property
    def reference_from(self) -> date:
        """The first day of the reference."""
        return max(
            date.fromisoformat(self.champion.manifest.trained_from),
            self.accepted_until - timedelta(days=self.rules.reference_days - 1),
        )

    @property
    def input_kinds(self) -> Mapping[str, ColumnKind]:
        """How each input is compared."""
        return column_kinds([(column.name, column.type) for column in self.champion.manifest.input_schema.columns])

    @property
    def prediction_kinds(self) -> Mapping[str, ColumnKind]:
        """How predictions are compared: as a number, with several classes as the probability of each."""
        classes = classes_of(self.champion.manifest)
        return dict.fromkeys(class_columns(classes) if classes else [PREDICTION], "numeric")

    def windows(self, days: int, count: int, lag_days: int = 0) -> tuple[DayRange, ...]:
        """Windows after the champion's acceptance, newest first. The newest ends `lag_days` before `until`."""
        return windows_back(self.until - timedelta(days=lag_days), days, count, after=self.accepted_until)

    def predicted(self, window: DayRange) -> "pd.DataFrame":
        """The window's rows with the champion's predictions, see `predicted_rows`."""
        if window not in self._predicted:
            rows = self.features(window.since, window.until)
            self._predicted[window] = predicted_rows(self.labels.lake_root, self.labels.key, rows, self.champion)
        return self._predicted[window]

    @cached_property
    def _predicted(self) -> "dict[DayRange, pd.DataFrame]":
        return {}

    def too_new(self, check: str, days: int, lag_days: int = 0) -> "WindowVerdict":
        """The verdict of a check before its first window is complete."""
        last = self.until - timedelta(days=lag_days)
        late = f", and labels arrive {lag_days} days late" if lag_days else ""
        reason = (
            f"{days} days needed after {self.accepted_until}, the last day on which the champion was accepted{late}"
        )
        verdict = Verdict(check, Outcome.INCONCLUSIVE, reason, observations=0)
        return WindowVerdict(DayRange(last - timedelta(days=days - 1), last), verdict)


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """A verdict on one window; for quality also the share of logged predictions and the delay of labels."""

    window: DayRange
    verdict: Verdict
    logged_share: float | None = None
    delay: LabelDelay | None = None


def monitored_model(
    champion: LoadedModel, model_dir: Path, pipeline: Pipeline, lake_root: LakeRoot, until: date | None
) -> MonitoredModel:
    """The champion, whose files are in `model_dir`, at the end of day `until` (the last day with features if None).

    StoreUnavailable before the first ingested day, UsageError for a day before it.
    """
    first, last = feature_days(lake_root, pipeline.key)
    if until is not None and until < first:
        raise UsageError(
            f"expected a day from {first} on, the first one with features, found {until}: there is nothing to judge; "
            "name a later day with --until"
        )
    manifest = champion.manifest
    trained_until = date.fromisoformat(manifest.trained_until)
    compared_on = timedelta(days=pipeline.retrain.holdout_days if manifest.compared is None else 0)
    return MonitoredModel(
        champion=champion,
        labels=label_source(pipeline, lake_root),
        until=until or last,
        accepted_until=trained_until + compared_on,
        rules=pipeline.monitor,
        answers=None if manifest.compared is None else read_answers(model_dir / manifest.compared.answers_file),
    )
