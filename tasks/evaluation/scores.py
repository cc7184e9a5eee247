"""Scores of predicted probabilities against labels, and sums of values per day.

Predictions have shape (rows,): the probability of the positive class; or (rows, classes): the probability of each
class. Labels have shape (rows,): 0 or 1, or the position of the class.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.evaluation.clustered import DaySum

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Probabilities = NDArray[np.float64]  # shape (rows,) or (rows, classes)
    Values = NDArray[np.float64]  # shape (rows,)

PROBABILITY_FLOOR = 1e-6  # in a logarithm: one confident error must not outweigh a day


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics over one set of rows; NaN where one does not apply.

    `auc` needs rows of both classes; of several classes it is the mean of each class against the others.
    `positive_share` and `average_precision` (the area under the curve of precision and recall, which shows more than
    `auc` for a rare class) are of one positive class, `accuracy` is that of the most probable of several classes.
    """

    rows: int
    log_loss: float
    excess_log_loss: float  # log-loss minus the entropy of the predictions; its mean is zero for a calibrated model
    brier: float
    auc: float
    positive_share: float = float("nan")
    accuracy: float = float("nan")
    average_precision: float = float("nan")

    def named(self, prefix: str) -> dict[str, float]:
        """Metrics for the model registry, e.g. `holdout_log_loss`, without those that are NaN."""
        values = {
            "rows": float(self.rows),
            "log_loss": self.log_loss,
            "excess_log_loss": self.excess_log_loss,
            "brier": self.brier,
            "auc": self.auc,
            "positive_share": self.positive_share,
            "accuracy": self.accuracy,
            "average_precision": self.average_precision,
        }
        return {f"{prefix}_{name}": value for name, value in values.items() if value == value}  # noqa: PLR0124 - NaN


def score(probabilities: "Probabilities", labels: "Values") -> Scores:
    """Metrics of `probabilities` against `labels`."""
    losses = log_losses(probabilities, labels)
    given, true = _per_class(probabilities, labels)
    one_class = probabilities.ndim == 1
    return Scores(
        rows=len(labels),
        log_loss=float(losses.mean()),
        excess_log_loss=float((losses - entropies(probabilities)).mean()),
        brier=float(((given - true) ** 2).sum(axis=1).mean()),
        auc=_mean_auc(given, true),
        positive_share=float(labels.mean()) if one_class else float("nan"),
        average_precision=_average_precision(probabilities, labels) if one_class else float("nan"),
        accuracy=float("nan") if one_class else float((probabilities.argmax(axis=1) == labels).mean()),
    )


def log_losses(probabilities: "Probabilities", labels: "Values") -> "Values":
    """The negative logarithm of the probability of the true class, per row, in nats.

    A class that the probabilities do not have (its position is too large) has the probability 0.
    """
    import numpy as np

    if probabilities.ndim == 1:
        given = np.where(labels > 0, probabilities, 1 - probabilities)
    else:
        given = (probabilities * one_hot(labels, probabilities.shape[1])).sum(axis=1)
    losses: Values = -np.log(np.maximum(given, PROBABILITY_FLOOR))
    return losses


def entropies(probabilities: "Probabilities") -> "Values":
    """The expected log-loss of each prediction if it is right, in nats."""
    import numpy as np

    classes = (probabilities, 1 - probabilities) if probabilities.ndim == 1 else probabilities.T
    total: Values = np.zeros(len(probabilities))
    for share in classes:
        total -= share * np.log(np.maximum(share, PROBABILITY_FLOOR))
    return total


def one_hot(labels: "Values", classes: int) -> "Probabilities":
    """1.0 in the column of each row's class, shape (rows, classes); only zeros for a label that is no class."""
    import numpy as np

    return np.asarray(labels[:, None] == np.arange(classes), dtype=np.float64)


def by_day(days: "pd.Series", values: "Values") -> tuple[DaySum, ...]:
    """The number and the sum of the values per day, in the order of days."""
    import pandas as pd

    sums = (
        pd.DataFrame({"day": days.to_numpy(), "value": values}).groupby("day", sort=True)["value"].agg(["size", "sum"])
    )
    return tuple(DaySum(rows=int(size), total=float(total)) for size, total in sums.itertuples(index=False))


def _per_class(probabilities: "Probabilities", labels: "Values") -> "tuple[Probabilities, Probabilities]":
    """Predictions and truth with one column per scored class: the positive class, or each of several."""
    if probabilities.ndim == 1:
        return probabilities[:, None], labels[:, None]
    return probabilities, one_hot(labels, probabilities.shape[1])


def _average_precision(probabilities: "Values", labels: "Values") -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, probabilities)) if labels.any() else float("nan")


def _mean_auc(given: "Probabilities", true: "Probabilities") -> float:
    """The mean over the columns that have rows of both kinds; NaN without one."""
    from sklearn.metrics import roc_auc_score

    both = [place for place in range(true.shape[1]) if 0 < true[:, place].mean() < 1]
    found = [float(roc_auc_score(true[:, place], given[:, place])) for place in both]
    return sum(found) / len(found) if found else float("nan")
