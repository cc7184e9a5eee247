"""How a candidate looks on the held-out rows: figures for its run in MLflow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)

BINS = 10
COLUMNS_MAX = 20  # bars that one can read


def figures_of(
    answers: "Values", labels: "Values", importance: Mapping[str, float], *, is_class: bool
) -> Mapping[str, "Figure"]:
    """Figures by their path in the run's artifacts.

    Of a class: calibration, and ROC with precision and recall where both classes occur; of a value: residuals.
    """
    figures = {"plots/importance.png": _importance(importance)} if importance else {}
    if not is_class:
        return {**figures, "plots/residuals.png": _residuals(answers, labels)}
    figures["plots/calibration.png"] = _calibration(answers, labels)
    if 0 < labels.mean() < 1:
        figures["plots/roc_and_precision_recall.png"] = _curves(answers, labels)
    return figures


def _canvas(axes: int) -> "Figure":
    from matplotlib.figure import Figure  # without pyplot there is no window system to ask for

    figure = Figure(figsize=(5 * axes, 4), layout="constrained")
    figure.subplots(1, axes)
    return figure


def _calibration(answers: "Values", labels: "Values") -> "Figure":
    from sklearn.calibration import calibration_curve

    came_true, predicted = calibration_curve(labels, answers, n_bins=BINS, strategy="quantile")
    figure = _canvas(1)
    [axes] = figure.axes
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot(predicted, came_true, marker="o")
    axes.set(xlabel="mean answer of a tenth of the rows", ylabel="share that came true", title="Calibration")
    return figure


def _curves(answers: "Values", labels: "Values") -> "Figure":
    from sklearn.metrics import precision_recall_curve, roc_curve

    figure = _canvas(2)
    left, right = figure.axes
    false_alarms, hits, _ = roc_curve(labels, answers)
    left.plot(false_alarms, hits)
    left.plot([0, 1], [0, 1], linestyle=":", color="grey")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    precision, recall, _ = precision_recall_curve(labels, answers)
    right.plot(recall, precision)
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall")
    return figure


def _residuals(answers: "Values", labels: "Values") -> "Figure":
    figure = _canvas(2)
    left, right = figure.axes
    left.scatter(answers, labels - answers, s=4, alpha=0.3)
    left.axhline(0, linestyle=":", color="grey")
    left.set(xlabel="answer", ylabel="label - answer", title="Residuals")
    right.hist(labels - answers, bins=50)
    right.set(xlabel="label - answer", ylabel="rows")
    return figure


def _importance(importance: Mapping[str, float]) -> "Figure":
    shown = list(importance.items())[:COLUMNS_MAX][::-1]
    figure = _canvas(1)
    [axes] = figure.axes
    axes.barh([name for name, _ in shown], [value for _, value in shown])
    axes.set(xlabel="added to the loss when shuffled", title="Permutation importance")
    return figure
