"""Quality on mature labels: whether the model's excess loss rose since the model was accepted.

Log-loss rises with the uncertainty of the outcome, which is not the model's fault. *Excess* log-loss does not: it is
the log-loss less the entropy of the model's own predictions. Its mean is zero for a calibrated model, whatever the
inputs are, and it grows when the model's predictions no longer fit the world (DeGroot & Fienberg 1983, *The comparison
and evaluation of forecasters*). `label_cohorts` describes how missing labels are bounded.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from healing.incident import Cause
from healing.verdict import Outcome, Verdict
from tasks.evaluation.clustered import DAYS_MIN, clustered_mean
from tasks.evaluation.labels import days_until_labelled, label_delay
from tasks.lake.columns import LOGGED
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.label_cohorts import LabelledWindow, expected_coverage, labelled_window, unpredicted_cohorts
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.windows import DayRange

if TYPE_CHECKING:
    import pandas as pd

CHECK = "quality"


@dataclass(frozen=True, slots=True)
class QualityRule:
    """When an increase of the excess loss counts.

    An increase up to `tolerated` (nats per row, or label variances) does not matter. `alpha` is the false-alarm rate of
    a window whose increase is just tolerated. Days, and windows, with labels for less than `coverage_min` of the
    predictions are not judged: the labels that arrive first may not represent the others.
    """

    rows_min: int
    tolerated: float = 0.02
    alpha: float = 0.05
    coverage_min: float = 0.8
    measure: str = "log-loss"  # name of the loss in messages

    @classmethod
    def of(cls, model: MonitoredModel) -> "QualityRule":
        rules = model.rules
        return cls(
            rows_min=rules.rows_min,
            tolerated=rules.loss_increase_tolerated,
            alpha=rules.quality_alpha,
            coverage_min=rules.label_coverage_min,
            measure=model.loss.name,
        )


@monitor_check(Topic.QUALITY, cause=Cause.QUALITY_DROP, shown_in_distributions=True)
def check_quality(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """Quality in the last windows, newest first."""
    return judge_quality_windows(context.model)


def judge_quality_windows(model: MonitoredModel) -> tuple[WindowVerdict, ...]:
    """Quality on mature labels, newest window first; one INCONCLUSIVE verdict before the first complete window.

    Earlier windows are only judged when the newest one fails: they show whether the failure persists.
    """
    newest = _judge_windows(model, 1)
    return _judge_windows(model, model.rules.persistence_windows) if newest[0].verdict.failed else newest


def judge_quality(window: LabelledWindow, reference_excess: float, rule: QualityRule) -> Verdict:
    """FAIL when the lower confidence bound of the increase in excess loss is above what is tolerated.

    PASS when enough labels show an increase within the tolerance. INCONCLUSIVE with too few labels, with labels that
    may not represent the others, or when the increase may be chance. `statistic` is the increase, None without enough
    labels.
    """
    whole = window.complete(rule.coverage_min)
    rows, days = sum(cohort.losses.rows for cohort in whole.cohorts), len(whole.cohorts)
    if rows < rule.rows_min or days < DAYS_MIN:
        reason = (
            f"{rows} mature labels on {days} complete days, {rule.rows_min} on {DAYS_MIN} needed "
            f"(labels for {window.coverage:.0%} of {window.predicted} predictions)"
        )
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    if whole.predicted < rule.coverage_min * window.predicted:
        share = whole.predicted / window.predicted
        reason = f"complete days have {share:.0%} of {window.predicted} predictions, {rule.coverage_min:.0%} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, rows)
    excess = clustered_mean([cohort.losses for cohort in whole.cohorts])
    below, above = whole.missing_label_bounds(excess.value)
    increase, lower = excess.value - reference_excess, excess.lower(rule.alpha) - reference_excess - below
    reason = (
        f"excess {rule.measure} {excess.value:+.4f}, {reference_excess:+.4f} when accepted: "
        f"increase {increase:+.4f}, at least {lower:+.4f} ({1 - rule.alpha:.0%} bound, {days} days), "
        f"labels for {whole.coverage:.1%}"
    )
    if above:
        reason += f", missing labels may lower it by {below:.4f} or raise it by {above:.4f}"
    if lower > rule.tolerated:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if increase + above <= rule.tolerated else Outcome.INCONCLUSIVE
    return Verdict(CHECK, outcome, reason, rows, statistic=increase, threshold=rule.tolerated)


def _judge_windows(model: MonitoredModel, count: int) -> tuple[WindowVerdict, ...]:
    days = model.rules.quality_window_days
    lag = days_until_labelled(model.accepted, model.labels.zone, model.rules.label_coverage_min)
    windows = model.windows(days, count, lag)
    if not windows:
        return (model.too_new(CHECK, days, lag),)
    usual = usual_coverage(model)
    return tuple(_judge_window(model, each, model.with_labels(model.predicted(each)), usual) for each in windows)


def _judge_window(
    model: MonitoredModel, window: DayRange, joined: "pd.DataFrame", usual: float | None
) -> WindowVerdict:
    labelled = labelled_window(joined, model.loss, usual, model.labels.classes)
    verdict = judge_quality(labelled, reference_excess(model), QualityRule.of(model))
    logged = float(joined[LOGGED].mean()) if len(joined) else None
    return WindowVerdict(window, _with_source(verdict, logged), logged, label_delay(joined))


def reference_excess(model: MonitoredModel) -> float:
    """The excess loss on the rows on which the champion was accepted, at least zero, as for a calibrated model.

    A lucky fortnight can have a negative excess loss. Comparing with that would punish the champion for its luck.
    """
    metrics = model.champion.manifest.reference.metrics
    return max(0.0, metrics.get(model.loss.excess_metric, 0.0))


def usual_coverage(model: MonitoredModel) -> float | None:
    """The coverage that a quality window usually has at least, by the complete days of the reference."""
    rows = model.features(model.reference_from, model.accepted_until)
    cohorts = unpredicted_cohorts(model.with_labels(rows))
    complete = [cohort for cohort in cohorts if cohort.coverage >= model.rules.label_coverage_min]
    return expected_coverage(complete, model.rules.quality_window_days)


def _with_source(verdict: Verdict, logged_share: float | None) -> Verdict:
    """The verdict whose reason says how many predictions were computed here instead of logged by the gateway."""
    if logged_share is None or logged_share == 1:
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; {1 - logged_share:.0%} of the predictions computed afterwards")
