"""How good predictions were, and how two models did on the same rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from healing.quality import PROBABILITY_FLOOR
from tasks.evaluation.clustered import DaySum

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Probabilities = NDArray[np.float64]  # shape (rows,)


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics over one set of rows; `auc` is NaN when only one class occurs."""

    rows: int
    log_loss: float
    excess_log_loss: float  # log-loss less the entropy of the predictions: zero in the mean for a calibrated model
    brier: float
    auc: float
    positive_share: float

    def named(self, prefix: str) -> dict[str, float]:
        """As metrics for a registry, e.g. `holdout_log_loss`; without those that do not exist."""
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
    """-log of the probability given to what happened, a row, in nats."""
    import numpy as np

    given = np.where(labels > 0, probabilities, 1 - probabilities)
    losses: Probabilities = -np.log(np.maximum(given, PROBABILITY_FLOOR))
    return losses


def entropies(probabilities: "Probabilities") -> "Probabilities":
    """The log-loss that each prediction expects of itself, in nats."""
    import numpy as np

    total: Probabilities = np.zeros_like(probabilities)
    for share in (probabilities, 1 - probabilities):
        total -= share * np.log(np.maximum(share, PROBABILITY_FLOOR))
    return total


def by_day(days: "pd.Series", values: "Probabilities") -> tuple[DaySum, ...]:
    """The values' count and sum a day, in the order of days."""
    import pandas as pd

    sums = (
        pd.DataFrame({"day": days.to_numpy(), "value": values}).groupby("day", sort=True)["value"].agg(["size", "sum"])
    )
    return tuple(DaySum(rows=int(size), total=float(total)) for size, total in sums.itertuples(index=False))
