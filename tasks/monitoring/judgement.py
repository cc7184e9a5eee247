"""The champion's answers on windows before a day, against what it learned from: quality by labels, and drift."""

from dataclasses import replace
from typing import TYPE_CHECKING

from healing.drift import DriftRule, importance_weights, judge_drift
from healing.quality import CHECK as QUALITY
from healing.quality import judge_quality
from healing.verdict import Verdict
from tasks.evaluation.labels import day_end, join_labels, label_delay
from tasks.lake.columns import LOGGED, PREDICTION
from tasks.monitoring.checks.drift import Reference, measure
from tasks.monitoring.history import FEATURES_CHECK
from tasks.monitoring.monitored_model import Judged, Subject
from tasks.monitoring.windows import DayRange, answered_rows, labelled_window, rows_of

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_CHECK = "predictions"
_DRIFT_CHECKS = (FEATURES_CHECK, PREDICTIONS_CHECK)


def judge_quality_windows(subject: Subject) -> tuple[Judged, ...]:
    """Quality on mature labels, newest window first; one INCONCLUSIVE when none fits yet.

    Earlier windows are only looked at when the newest one fails: they say whether that persists.
    """
    newest = _judge_quality_windows(subject, 1)
    return _judge_quality_windows(subject, subject.rules.persistence_windows) if newest[0].verdict.failed else newest


def _judge_quality_windows(subject: Subject, count: int) -> tuple[Judged, ...]:
    days, lag = subject.rules.quality_window_days, subject.label_days
    windows = subject.windows(days, count, lag)
    if not windows:
        return (subject.too_new(QUALITY, days, lag),)
    everything = DayRange(windows[-1].since, windows[0].until)
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, everything, subject.model)
    joined = join_labels(rows, subject.labels, day_end(subject.until, subject.labels.zone))
    return tuple(_judge_quality(subject, window, rows_of(joined, window)) for window in windows)


def _judge_quality(subject: Subject, window: DayRange, joined: "pd.DataFrame") -> Judged:
    labelled = labelled_window(joined, subject.loss, subject.usual_coverage)
    verdict = judge_quality(labelled, subject.reference_excess, subject.quality_rule)
    logged = float(joined[LOGGED].mean()) if len(joined) else None
    return Judged(window, _saying_source(verdict, logged), logged, label_delay(joined))


def judge_drift_windows(subject: Subject, count: int) -> tuple[tuple[Judged, ...], tuple[Judged, ...]]:
    """Feature drift and prediction drift in the last `count` windows, newest first.

    Columns weigh by how much the model relies on them, where its manifest says so: drift of one that it hardly looks at
    needs to be far more certain.
    """
    days = subject.rules.window_days
    windows = subject.windows(days, count)
    if not windows:
        new = [subject.too_new(check, days) for check in _DRIFT_CHECKS]
        return (new[0],), (new[1],)
    reference = Reference.of(subject.reference, subject.kinds, days)
    pairs = [_judge_drift(subject, window, reference) for window in windows]
    return tuple(features for features, _ in pairs), tuple(predictions for _, predictions in pairs)


def _judge_drift(subject: Subject, window: DayRange, reference: Reference) -> tuple[Judged, Judged]:
    rule = DriftRule(rows_min=subject.rules.rows_min)
    rows = answered_rows(subject.labels.lake_root, subject.labels.key, window, subject.model)
    if len(rows) < rule.rows_min:  # the distances would tell nothing
        few = [Judged(window, judge_drift(check, (), len(rows), rule)) for check in _DRIFT_CHECKS]
        return few[0], few[1]
    measured = measure(rows, reference)
    importance = subject.model.manifest.reference.importance
    weights = importance_weights(importance) if importance else None
    inputs = [column for column in measured if column.column != PREDICTION]
    answers = [column for column in measured if column.column == PREDICTION]
    return (
        Judged(window, judge_drift(FEATURES_CHECK, inputs, len(rows), rule, weights)),
        Judged(window, judge_drift(PREDICTIONS_CHECK, answers, len(rows), rule)),
    )


def _saying_source(verdict: Verdict, logged_share: float | None) -> Verdict:
    """Name in the reason which answers were judged: the gateway's own, or some made afterwards."""
    if logged_share is None or logged_share == 1:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; {1 - logged_share:.0%} of the answers computed afterwards")
