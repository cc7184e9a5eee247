"""Figures of a candidate's predictions on the held-out rows, for its run in MLflow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)

BINS = 10
COLUMNS_MAX = 20  # more bars are not readable


def figures_of(
    predictions: "Values", labels: "Values", importance: Mapping[str, float], *, is_class: bool
) -> Mapping[str, "Figure"]:
    """Figures by their path in the run's artifacts.

    For a class: calibration, and, if both classes occur, ROC with precision and recall. For a quantity: residuals.
    """
    figures = {"plots/importance.png": _importance(importance)} if importance else {}
    if not is_class:
        return {**figures, "plots/residuals.png": _residuals(predictions, labels)}
    figures["plots/calibration.png"] = _calibration(predictions, labels)
    if 0 < labels.mean() < 1:
        figures["plots/roc_and_precision_recall.png"] = _curves(predictions, labels)
    return figures


def _canvas(axes: int) -> "Figure":
    from matplotlib.figure import Figure  # unlike pyplot, it needs no display

    figure = Figure(figsize=(5 * axes, 4), layout="constrained")
    figure.subplots(1, axes)
    return figure


def _calibration(predictions: "Values", labels: "Values") -> "Figure":
    from sklearn.calibration import calibration_curve

    observed, predicted = calibration_curve(labels, predictions, n_bins=BINS, strategy="quantile")
    figure = _canvas(1)
    [axes] = figure.axes
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot(predicted, observed, marker="o")
    axes.set(xlabel="mean prediction in a decile", ylabel="observed share of positives", title="Calibration")
    return figure


def _curves(predictions: "Values", labels: "Values") -> "Figure":
    from sklearn.metrics import precision_recall_curve, roc_curve

    figure = _canvas(2)
    left, right = figure.axes
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, predictions)
    left.plot(false_positive_rate, true_positive_rate)
    left.plot([0, 1], [0, 1], linestyle=":", color="grey")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    precision, recall, _ = precision_recall_curve(labels, predictions)
    right.plot(recall, precision)
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    return figure


def _residuals(predictions: "Values", labels: "Values") -> "Figure":
    figure = _canvas(2)
    left, right = figure.axes
    left.scatter(predictions, labels - predictions, s=4, alpha=0.3)
    left.axhline(0, linestyle=":", color="grey")
    left.set(xlabel="prediction", ylabel="label - prediction", title="Residuals")
    right.hist(labels - predictions, bins=50)
    right.set(xlabel="label - prediction", ylabel="rows")
    return figure


def _importance(importance: Mapping[str, float]) -> "Figure":
    shown = list(importance.items())[:COLUMNS_MAX][::-1]
    figure = _canvas(1)
    [axes] = figure.axes
    axes.barh([name for name, _ in shown], [value for _, value in shown])
    axes.set(xlabel="increase of the loss when shuffled", title="Permutation importance")
    return figure
