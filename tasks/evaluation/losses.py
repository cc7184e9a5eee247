"""Losses: log-loss of the probability of one or several classes, squared error of a quantity.

Both are of the order of the loss without a model (the entropy of the classes, and 1), so that one tolerance fits both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.evaluation.scores import entropies, log_losses, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]  # shape (rows,)
    Predictions = NDArray[np.float64]  # shape (rows,), or (rows, classes) for the log-loss of several classes

_RARE_LOSS = 0.95
VARIANCE = "train_label_variance"  # metric of a model for a quantity: the label's variance in the training rows


class Loss(Protocol):
    """How predictions are compared with labels. Messages call the loss `name`."""

    @property
    def name(self) -> str: ...

    @property
    def excess_metric(self) -> str:
        """The metric in a manifest with which quality is compared."""
        ...

    def of(self, predictions: "Predictions", labels: "Values") -> "Values":
        """The loss of each row."""
        ...

    def excess(self, predictions: "Predictions", labels: "Values") -> "Values":
        """The loss of each row minus the loss that the prediction itself expects, if it implies one."""
        ...

    def extremes(self, predictions: "Predictions", labels: "Values") -> tuple[float, float]:
        """The mean excess if every row had its cheapest label, and if every row had its costliest label."""
        ...

    def metrics(self, predictions: "Predictions", labels: "Values") -> Mapping[str, float]:
        """Metrics of held-out rows, with the names that the model registry uses."""
        ...


@dataclass(frozen=True, slots=True)
class LogLoss:
    """Log-loss of the probability of a class, or of the probabilities of several classes, in nats.

    The shape of the predictions decides which of both: see `tasks.evaluation.scores`.
    """

    name: str = "log-loss"
    excess_metric: str = "holdout_excess_log_loss"

    def of(self, predictions: "Predictions", labels: "Values") -> "Values":
        return log_losses(predictions, labels)

    def excess(self, predictions: "Predictions", labels: "Values") -> "Values":
        return log_losses(predictions, labels) - entropies(predictions)

    def extremes(self, predictions: "Predictions", labels: "Values") -> tuple[float, float]:
        import numpy as np

        if not len(predictions):
            return 0.0, 0.0
        classes = 2 if predictions.ndim == 1 else predictions.shape[1]
        excess = [self.excess(predictions, np.full(len(labels), float(place))) for place in range(classes)]
        return float(np.min(excess, axis=0).mean()), float(np.max(excess, axis=0).mean())

    def metrics(self, predictions: "Predictions", labels: "Values") -> Mapping[str, float]:
        return score(predictions, labels).named("holdout")


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Squared error of a quantity, in units of the label's `variance`: predicting the mean costs 1 per row."""

    variance: float
    name: str = "squared error"
    excess_metric: str = "holdout_squared_error"

    def of(self, predictions: "Predictions", labels: "Values") -> "Values":
        losses: Values = (predictions - labels) ** 2 / self.variance
        return losses

    def excess(self, predictions: "Predictions", labels: "Values") -> "Values":
        return self.of(predictions, labels)  # a quantity does not imply an expected loss

    def extremes(self, predictions: "Predictions", labels: "Values") -> tuple[float, float]:
        """A quantity has no worst label, so the loss that one row in twenty exceeds replaces it."""
        import numpy as np

        return 0.0, float(np.quantile(self.of(predictions, labels), _RARE_LOSS)) if len(predictions) else 0.0

    def metrics(self, predictions: "Predictions", labels: "Values") -> Mapping[str, float]:
        import numpy as np

        errors = predictions - labels
        return {
            "holdout_rows": float(len(labels)),
            self.excess_metric: float(self.of(predictions, labels).mean()),
            "holdout_rmse": float(np.sqrt((errors**2).mean())),
            "holdout_mae": float(np.abs(errors).mean()),
            "holdout_label_mean": float(labels.mean()),
        }


def loss_of(metrics: Mapping[str, float]) -> Loss:
    """The loss of a model, by its training metrics: those of a model for a quantity contain the label's variance."""
    variance = metrics.get(VARIANCE)
    return LogLoss() if variance is None else SquaredError(variance)
