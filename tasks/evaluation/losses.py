"""What a wrong answer costs: log-loss of a probability, squared error of a value.

Both are small numbers about what no model would cost: the entropy of the classes, and 1. So one tolerance fits both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.evaluation.scores import entropies, log_losses, score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Answers = NDArray[np.float64]  # shape (rows,)

_RARE_LOSS = 0.95
VARIANCE = "train_label_variance"  # metric of a model that predicts a value: the label's, among the rows learned from


class Loss(Protocol):
    """How answers are held against labels; `name` is what messages call it."""

    @property
    def name(self) -> str: ...

    @property
    def excess_metric(self) -> str:
        """The metric in a manifest that quality is held against."""
        ...

    def of(self, answers: "Answers", labels: "Answers") -> "Answers":
        """The loss of each row."""
        ...

    def excess(self, answers: "Answers", labels: "Answers") -> "Answers":
        """The loss of each row, less what the answer itself expects to lose, where it says so."""
        ...

    def extremes(self, answers: "Answers", labels: "Answers") -> tuple[float, float]:
        """The mean excess if every row had the label that costs least, and if it had the one that costs most."""
        ...

    def metrics(self, answers: "Answers", labels: "Answers") -> Mapping[str, float]:
        """Metrics of the held-out rows, named for a registry."""
        ...


@dataclass(frozen=True, slots=True)
class LogLoss:
    """Of the probability of a class, in nats."""

    name: str = "log-loss"
    excess_metric: str = "holdout_excess_log_loss"

    def of(self, answers: "Answers", labels: "Answers") -> "Answers":
        return log_losses(answers, labels)

    def excess(self, answers: "Answers", labels: "Answers") -> "Answers":
        return log_losses(answers, labels) - entropies(answers)

    def extremes(self, answers: "Answers", labels: "Answers") -> tuple[float, float]:
        import numpy as np

        if not len(answers):
            return 0.0, 0.0
        either = self.excess(answers, labels), self.excess(answers, 1 - labels)
        return float(np.minimum(*either).mean()), float(np.maximum(*either).mean())

    def metrics(self, answers: "Answers", labels: "Answers") -> Mapping[str, float]:
        return score(answers, labels).named("holdout")


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Of a value, in units of `variance`, the label's own: answering its mean always costs 1 a row."""

    variance: float
    name: str = "squared error"
    excess_metric: str = "holdout_squared_error"

    def of(self, answers: "Answers", labels: "Answers") -> "Answers":
        losses: Answers = (answers - labels) ** 2 / self.variance
        return losses

    def excess(self, answers: "Answers", labels: "Answers") -> "Answers":
        return self.of(answers, labels)  # a value does not say how sure it is

    def extremes(self, answers: "Answers", labels: "Answers") -> tuple[float, float]:
        """A value has no worst label, so the loss that one row in twenty exceeds stands for it."""
        import numpy as np

        return 0.0, float(np.quantile(self.of(answers, labels), _RARE_LOSS)) if len(answers) else 0.0

    def metrics(self, answers: "Answers", labels: "Answers") -> Mapping[str, float]:
        import numpy as np

        errors = answers - labels
        return {
            "holdout_rows": float(len(labels)),
            self.excess_metric: float(self.of(answers, labels).mean()),
            "holdout_rmse": float(np.sqrt((errors**2).mean())),
            "holdout_mae": float(np.abs(errors).mean()),
            "holdout_label_mean": float(labels.mean()),
        }


def loss_of(metrics: Mapping[str, float]) -> Loss:
    """The loss of a model by the metrics of its training: one that predicts a value has the variance among them."""
    variance = metrics.get(VARIANCE)
    return LogLoss() if variance is None else SquaredError(variance)
