"""What the monitor looks at: the champion's answers on windows before a day, against what it learned from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from healing.drift import DriftRule, judge_drift
from healing.quality import CHECK as QUALITY
from healing.quality import QualityRule, judge_quality
from healing.verdict import Outcome, Verdict
from releases.loader import LoadedModel
from tasks.config.monitor_section import Monitor
from tasks.monitoring.distances import Kind
from tasks.monitoring.drift import Reference, kinds_of, measure
from tasks.monitoring.labels import LabelDelay, LabelSource, day_end, join_labels, label_delay, read_features
from tasks.monitoring.loss import Loss, loss_of
from tasks.monitoring.windows import LOGGED, PREDICTION, DayRange, answered_rows, labelled_window, rows_of, windows_back
from tasks.training.training import as_inputs

if TYPE_CHECKING:
    import pandas as pd

FEATURES_CHECK = "features"
PREDICTIONS_CHECK = "predictions"
REFERENCE_ROWS = 20_000  # some 2,500 a week of 8: more than a window's sample, and answered in a third of a second
_SEED = 20130101


@dataclass(frozen=True, slots=True)
class Subject:
    """The champion under judgement, on the lake as it is known at the end of day `until`."""

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
    def reference_excess(self) -> float:
        """Excess loss on the rows that the champion was accepted on, at least the zero of a calibrated model.

        A lucky fortnight may show less than zero; to hold the champion against that would punish it for its luck.
        """
        return max(0.0, self.model.manifest.reference.metrics.get(self.loss.excess_metric, 0.0))

    def windows(self, days: int, count: int) -> tuple[DayRange, ...]:
        """Windows after the days that the champion was made and accepted with."""
        return windows_back(self.until, days, count, after=self.accepted_until)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on one window, with what stands behind a verdict on labels."""

    window: DayRange
    verdict: Verdict
    logged_share: float | None = None
    delay: LabelDelay | None = None


def judge_quality_windows(subject: Subject) -> tuple[Judged, ...]:
    """Quality on mature labels, newest window first; one INCONCLUSIVE when none fits yet.

    Earlier windows are only looked at when the newest one fails: they say whether that persists.
    """
    newest = _judge_quality_windows(subject, 1)
    return _judge_quality_windows(subject, subject.rules.persistence_windows) if newest[0].verdict.failed else newest


def _judge_quality_windows(subject: Subject, count: int) -> tuple[Judged, ...]:
    rules = subject.rules
    windows = subject.windows(rules.quality_window_days, count)
    if not windows:
        window = DayRange(subject.until - timedelta(days=rules.quality_window_days - 1), subject.until)
        return (Judged(window, _too_new(QUALITY, subject, rules.quality_window_days)),)
    rule = QualityRule(rows_min=rules.rows_min, tolerated=rules.loss_increase_tolerated, measure=subject.loss.name)
    everything = DayRange(windows[-1].since, windows[0].until)
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, everything, subject.model)
    joined = join_labels(rows, subject.labels, day_end(subject.until, subject.labels.zone))
    return tuple(_judge_quality(subject, window, rows_of(joined, window), rule) for window in windows)


def _judge_quality(subject: Subject, window: DayRange, joined: "pd.DataFrame", rule: QualityRule) -> Judged:
    verdict = judge_quality(labelled_window(joined, subject.loss), subject.reference_excess, rule)
    logged = float(joined[LOGGED].mean()) if len(joined) else None
    return Judged(window, _saying_source(verdict, logged), logged, label_delay(joined))


def judge_drift_windows(subject: Subject, count: int) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Feature drift and prediction drift in the last `count` windows, newest first."""
    rules, model = subject.rules, subject.model
    windows = subject.windows(rules.window_days, count)
    if not windows:
        window = DayRange(subject.until - timedelta(days=rules.window_days - 1), subject.until)
        new = [Judged(window, _too_new(check, subject, rules.window_days)) for check in _DRIFT_CHECKS]
        return (new[0],), (new[1],)
    reference = Reference.of(reference_rows(subject), column_kinds(model), rules.window_days)
    rule = DriftRule(rows_min=rules.rows_min)
    features, predictions = [], []
    for window in windows:
        rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, model)
        if len(rows) < rule.rows_min:  # the distances would tell nothing
            few = [Judged(window, judge_drift(check, (), len(rows), rule)) for check in _DRIFT_CHECKS]
            features.append(few[0])
            predictions.append(few[1])
            continue
        measured = measure(rows, reference)
        inputs = [column for column in measured if column.column != PREDICTION]
        answers = [column for column in measured if column.column == PREDICTION]
        features.append(Judged(window, judge_drift(FEATURES_CHECK, inputs, len(rows), rule)))
        predictions.append(Judged(window, judge_drift(PREDICTIONS_CHECK, answers, len(rows), rule)))
    return tuple(features), tuple(predictions)


def reference_rows(subject: Subject) -> "pd.DataFrame":
    """A sample of the last days that the champion was made and accepted with, and its answers to them."""
    last = subject.accepted_until
    first = max(
        date.fromisoformat(subject.model.manifest.trained_from),
        last - timedelta(days=subject.rules.reference_days - 1),
    )
    rows = read_features(subject.labels.lake_root, subject.labels.key, first, last)
    if len(rows) > REFERENCE_ROWS:
        rows = rows.sample(REFERENCE_ROWS, random_state=_SEED).sort_index()
    answers = subject.model.predict(as_inputs(rows, subject.model.manifest.input_schema))
    return rows.assign(**{PREDICTION: answers})


def column_kinds(model: LoadedModel) -> Mapping[str, Kind]:
    """How each input, and the prediction, is compared."""
    columns = [(column.name, column.type) for column in model.manifest.input_schema.columns]
    return kinds_of([*columns, (PREDICTION, "double")])


_DRIFT_CHECKS = (FEATURES_CHECK, PREDICTIONS_CHECK)


def _too_new(check: str, subject: Subject, days: int) -> Verdict:
    reason = f"{days} days are needed after {subject.accepted_until}, the last that the champion was accepted on"
    return Verdict(check, Outcome.INCONCLUSIVE, reason, observations=0)


def _saying_source(verdict: Verdict, logged_share: float | None) -> Verdict:
    """Name in the reason which answers were judged: the gateway's own, or some made afterwards."""
    if logged_share is None or logged_share == 1:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; {1 - logged_share:.0%} of the answers computed afterwards")
