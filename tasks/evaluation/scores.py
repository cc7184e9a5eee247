"""Scores of predicted probabilities against labels, and sums of values per day."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.evaluation.clustered import DaySum

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Probabilities = NDArray[np.float64]  # shape (rows,)

PROBABILITY_FLOOR = 1e-6  # in a logarithm: one confident error must not outweigh a day


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics over one set of rows; `auc` is NaN when only one class occurs."""

    rows: int
    log_loss: float
    excess_log_loss: float  # log-loss minus the entropy of the predictions; its mean is zero for a calibrated model
    brier: float
    auc: float
    positive_share: float

    def named(self, prefix: str) -> dict[str, float]:
        """Metrics for the model registry, e.g. `holdout_log_loss`, without those that are NaN."""
        values = {
            "rows": float(self.rows),
            "log_loss": self.log_loss,
            "excess_log_loss": self.excess_log_loss,
            "brier": self.brier,
            "auc": self.auc,
            "positive_share": self.positive_share,
        }
        return {f"{prefix}_{name}": value for name, value in values.items() if value == value}  # noqa: PLR0124 - NaN


def score(probabilities: "Probabilities", labels: "Probabilities") -> Scores:
    """Metrics of `probabilities` against `labels` (0 or 1), both of shape (rows,)."""
    from sklearn.metrics import roc_auc_score

    both = 0 < labels.mean() < 1
    losses = log_losses(probabilities, labels)
    return Scores(
        rows=len(labels),
        log_loss=float(losses.mean()),
        excess_log_loss=float((losses - entropies(probabilities)).mean()),
        brier=float(((probabilities - labels) ** 2).mean()),
        auc=float(roc_auc_score(labels, probabilities)) if both else float("nan"),
        positive_share=float(labels.mean()),
    )


def log_losses(probabilities: "Probabilities", labels: "Probabilities") -> "Probabilities":
    """The negative logarithm of the probability of the true class, per row, in nats."""
    import numpy as np

    given = np.where(labels > 0, probabilities, 1 - probabilities)
    losses: Probabilities = -np.log(np.maximum(given, PROBABILITY_FLOOR))
    return losses


def entropies(probabilities: "Probabilities") -> "Probabilities":
    """The expected log-loss of each prediction if it is right, in nats."""
    import numpy as np

    total: Probabilities = np.zeros_like(probabilities)
    for share in (probabilities, 1 - probabilities):
        total -= share * np.log(np.maximum(share, PROBABILITY_FLOOR))
    return total


def by_day(days: "pd.Series", values: "Probabilities") -> tuple[DaySum, ...]:
    """The number and the sum of the values per day, in the order of days."""
    import pandas as pd

    sums = (
        pd.DataFrame({"day": days.to_numpy(), "value": values}).groupby("day", sort=True)["value"].agg(["size", "sum"])
    )
    return tuple(DaySum(rows=int(size), total=float(total)) for size, total in sums.itertuples(index=False))
