"""Estimate: the loss that a window will probably have, before its labels arrive.

The rows on which the champion was accepted have labels. They are weighted so that their predictions are as frequent as
the window's. Their weighted loss is what the window will lose, *if a prediction still means what it meant*. That is the
assumption of confidence-based performance estimation (Garg et al. 2022, *Leveraging unlabeled data to predict
out-of-distribution performance*; NannyML's CBPE), with the calibration measured and not assumed. Concept shift breaks
the assumption and stays unseen. So the estimate helps to sort windows and never leads to action alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from healing.verdict import Outcome, Verdict
from tasks.config.pipeline import ClassNames
from tasks.evaluation.clustered import DAYS_MIN, DaySum, clustered_mean
from tasks.evaluation.losses import LogLoss, Loss
from tasks.evaluation.predictions import predictions_in
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import MonitoredModel, WindowVerdict
from tasks.monitoring.windows import DayRange

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)
    Predictions = NDArray[np.float64]  # shape (rows,) or (rows, classes)
    Bins = NDArray[np.int64]  # shape (rows,)

CHECK = "estimate"
BINS = 20  # of predictions, equally full; finer bins have too few labels to measure their loss
BEYOND_MAX = 0.05  # share of predictions unlike all labelled ones; with more, the loss of the window is unknown


@dataclass(frozen=True, slots=True)
class ReweightedLoss:
    """The change of the labelled rows' loss when they are weighted to match the window's predictions.

    `unexplained` holds, per labelled day, the rows and the weighted sum of the losses' part that predictions do not
    explain. `noise` is the standard error that the window's own loss will have for the same reason. `beyond` is the
    share of the window's predictions outside the range of the labelled rows, `rows` the window's size. `figures` are
    further estimates in words.
    """

    change: float
    unexplained: Sequence[DaySum]
    noise: float
    beyond: float
    rows: int
    figures: str = ""


@dataclass(frozen=True, slots=True)
class EstimateRule:
    """When an estimated change counts, with the tolerance of the quality check. `alpha` is one tail of the bound."""

    rows_min: int
    tolerated: float
    alpha: float = 0.05
    measure: str = "log-loss"


@dataclass(frozen=True, slots=True)
class LossEstimate:
    """The estimated change of the loss, and how far the true change may lie from it on either side."""

    change: float
    margin: float


@monitor_check(Topic.ESTIMATE)
def check_estimate(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """The estimate for the last windows, newest first."""
    model = context.model
    rules, days = model.rules, model.rules.window_days
    windows = model.windows(days, context.windows_judged)
    if not windows:
        return (model.too_new(CHECK, days),)
    rule = EstimateRule(rules.rows_min, rules.loss_increase_tolerated, rules.quality_alpha, model.loss.name)
    return tuple(_estimate_window(model, window, rule) for window in windows)


def _estimate_window(model: MonitoredModel, window: DayRange, rule: EstimateRule) -> WindowVerdict:
    classes = model.labels.classes
    found = reweight(model.accepted, predictions_in(model.predicted(window), classes), model.loss, classes)
    return WindowVerdict(window, judge_estimate(found, rule))


def judge_estimate(found: ReweightedLoss, rule: EstimateRule) -> Verdict:
    """FAIL when the loss rose by significantly more than is tolerated, PASS when significantly less.

    INCONCLUSIVE otherwise, and with too few rows or labelled days.
    """
    days = sum(day.rows > 0 for day in found.unexplained)
    if found.rows < rule.rows_min or days < DAYS_MIN:
        reason = f"{found.rows} rows and {days} labelled days, {rule.rows_min} and {DAYS_MIN} needed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, found.rows)
    if found.beyond > BEYOND_MAX:
        reason = f"{found.beyond:.0%} of the predictions lie beyond the labelled ones, {BEYOND_MAX:.0%} allowed"
        return Verdict(CHECK, Outcome.INCONCLUSIVE, reason, found.rows)
    estimate = estimate_change(found, rule.alpha)
    reason = (
        f"{rule.measure} estimated to change by {estimate.change:+.4f} ± {estimate.margin:.4f}{found.figures}, "
        "if predictions still mean what they meant"
    )
    if estimate.change - estimate.margin > rule.tolerated:
        outcome = Outcome.FAIL
    else:
        outcome = Outcome.PASS if estimate.change + estimate.margin <= rule.tolerated else Outcome.INCONCLUSIVE
    return Verdict(CHECK, outcome, reason, found.rows, statistic=estimate.change, threshold=rule.tolerated)


def estimate_change(found: ReweightedLoss, alpha: float) -> LossEstimate:
    """The change with its bound, from the variation between labelled days and the noise of the window's own rows.

    Unit: nats per row, or label variances. The true change lies beyond each side with probability `alpha`, if
    calibration holds.
    """
    from scipy.stats import t

    labelled = clustered_mean(found.unexplained)
    error = math.hypot(labelled.standard_error, found.noise)
    return LossEstimate(found.change, float(t.isf(alpha, labelled.degrees)) * error)


def reweight(accepted: "pd.DataFrame", window: "Predictions", loss: Loss, classes: ClassNames = ()) -> ReweightedLoss:
    """Weight labelled rows (with predictions, `label`, `event_day`) so that their predictions match the `window`'s.

    A weight is a bin's share among the window's predictions over its share among the labelled rows:
    post-stratification by prediction. With several classes, the bins are of the most probable class and its
    probability.
    """
    import numpy as np

    labelled = accepted[accepted[LABEL].notna()]
    answers, labels = predictions_in(labelled, classes), labelled[LABEL].to_numpy(dtype=float)
    given, predictions = _stratum(answers), _stratum(window)
    predictions = predictions[np.isfinite(predictions)]
    if not len(given) or not len(predictions):
        return ReweightedLoss(0.0, (), 0.0, 0.0, len(predictions))
    losses = loss.of(answers, labels)
    edges = np.unique(np.quantile(given, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins, window_bins = np.digitize(given, edges), np.digitize(predictions, edges)
    counts = np.bincount(bins, minlength=len(edges) + 1)
    usual, now = counts / len(bins), np.bincount(window_bins, minlength=len(counts)) / len(predictions)
    weights = np.divide(now, usual, out=np.zeros_like(now), where=usual > 0)[bins]
    unexplained = losses - (np.bincount(bins, losses, len(counts)) / np.maximum(counts, 1))[bins]
    outside = (predictions < given.min()) | (predictions > given.max()) | (usual[window_bins] == 0)
    days = labelled[BATCH_DAY]
    return ReweightedLoss(
        change=float(((weights - 1) * losses).mean()),
        unexplained=by_day(days, weights * unexplained),
        noise=_noise(by_day(days, unexplained), len(predictions)),
        beyond=float(outside.mean()),
        rows=len(predictions),
        figures=_figures(bins, labels, window_bins, predictions) if isinstance(loss, LogLoss) and not classes else "",
    )


def _stratum(predictions: "Predictions") -> "Values":
    """One number by which predictions are binned: of several classes, the position of the most probable one plus its
    probability. So all predictions of a class are next to each other, ordered by how certain they are.
    """
    if predictions.ndim == 1:
        return predictions
    found: Values = predictions.argmax(axis=1) + predictions.max(axis=1)
    return found


def _noise(unexplained: Sequence[DaySum], rows: int) -> float:
    """Standard error of the mean loss of `rows` rows, for what predictions do not explain.

    Rows of one day are dependent: the error is that of the labelled days, scaled to the number of rows.
    """
    if len(unexplained) < 2:
        return 0.0  # no spread between days, and no verdict either
    labelled = sum(day.rows for day in unexplained)
    return clustered_mean(unexplained).standard_error * math.sqrt(labelled / rows)


def _figures(bins: "Bins", labels: "Values", window_bins: "Bins", predictions: "Values") -> str:
    """Expected Brier score and AUC of the window, if each prediction is as right as its bin was."""
    import numpy as np

    count = int(max(bins.max(), window_bins.max())) + 1
    rates = np.bincount(bins, labels, count) / np.maximum(np.bincount(bins, minlength=count), 1)
    positive = rates[window_bins]
    brier = float((positive * (1 - predictions) ** 2 + (1 - positive) * predictions**2).mean())
    return f" (Brier score {brier:.4f}, AUC {expected_auc(predictions, positive):.3f})"


def expected_auc(predictions: "Values", positive: "Values") -> float:
    """The expected AUC when rows are positive with the probabilities `positive`, to first order in the number of rows.

    It is the chance that of a positive and a negative row, the positive one has the higher prediction. NaN where one
    class is certain.
    """
    import numpy as np

    order = np.argsort(predictions, kind="stable")
    _, group = np.unique(predictions[order], return_inverse=True)  # equal predictions count half
    positives = np.bincount(group, positive[order])
    negatives = np.bincount(group, 1 - positive[order])
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + negatives / 2)).sum() / pairs) if pairs > 0 else float("nan")
