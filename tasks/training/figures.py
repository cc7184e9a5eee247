"""Figures of a candidate's predictions on the held-out rows, for its run in MLflow."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.evaluation.scores import one_hot

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)
    Predictions = NDArray[np.float64]  # shape (rows,) or (rows, classes)

BINS = 10
COLUMNS_MAX = 20  # more bars are not readable
CURVES_MAX = 8  # of the first classes; more curves are not readable


def figures_of(
    predictions: "Predictions",
    labels: "Values",
    importance: Mapping[str, float],
    *,
    is_class: bool,
    classes: Sequence[object] = (),
) -> Mapping[str, "Figure"]:
    """Figures by their path in the run's artifacts.

    For a class: calibration, and, if both classes occur, ROC with precision and recall. For several classes: the
    calibration of each, and the confusion matrix. For a quantity: residuals.
    """
    figures = {"plots/importance.png": _importance(importance)} if importance else {}
    if not is_class:
        return {**figures, "plots/residuals.png": _residuals(predictions, labels)}
    if classes:
        names = [str(name) for name in classes]
        true = one_hot(labels, len(names))
        curves = {name: (predictions[:, place], true[:, place]) for place, name in enumerate(names)}
        figures["plots/calibration.png"] = _calibration(dict(list(curves.items())[:CURVES_MAX]))
        figures["plots/confusion.png"] = _confusion(predictions.argmax(axis=1), labels, names)
        return figures
    figures["plots/calibration.png"] = _calibration({"": (predictions, labels)})
    if 0 < labels.mean() < 1:
        figures["plots/roc_and_precision_recall.png"] = _curves(predictions, labels)
    return figures


def _canvas(axes: int) -> "Figure":
    from matplotlib.figure import Figure  # unlike pyplot, it needs no display

    figure = Figure(figsize=(5 * axes, 4), layout="constrained")
    figure.subplots(1, axes)
    return figure


def _calibration(curves: Mapping[str, tuple["Values", "Values"]]) -> "Figure":
    """One curve per class, of its probabilities and whether each row is of the class."""
    from sklearn.calibration import calibration_curve

    figure = _canvas(1)
    [axes] = figure.axes
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    for name, (predictions, true) in curves.items():
        observed, predicted = calibration_curve(true, predictions, n_bins=BINS, strategy="quantile")
        axes.plot(predicted, observed, marker="o", label=name)
    axes.set(xlabel="mean prediction in a decile", ylabel="observed share", title="Calibration")
    if len(curves) > 1:
        axes.legend(fontsize="small")
    return figure


def _confusion(predicted: "NDArray[np.int64]", labels: "Values", names: Sequence[str]) -> "Figure":
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    counts = confusion_matrix(labels.astype("int64"), predicted, labels=range(len(names)))
    figure = _canvas(1)
    ConfusionMatrixDisplay(counts, display_labels=names).plot(ax=figure.axes[0], xticks_rotation=45, colorbar=False)
    figure.axes[0].set(title="Confusion matrix")
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
