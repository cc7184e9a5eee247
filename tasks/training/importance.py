"""Which columns a model's answers depend on: what shuffling one adds to the loss on held-out rows."""

from typing import TYPE_CHECKING, Any

import structlog

from tasks.lake.columns import LABEL
from tasks.training.answers import predict
from tasks.training.training import TrainingPlan, TrainingRows, as_inputs, loss_on

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

ROWS_MAX = 1000  # sorts columns by importance well enough, in some 5 ms a column
REPEATS = 3


def importance_of(plan: TrainingPlan, rows: TrainingRows, estimator: Any) -> dict[str, float]:
    """Mean increase of the loss (nats or variances a row) by column, largest first; empty if the model raises.

    Permutation importance (Breiman 2001, *Random Forests*) as scikit-learn computes it. A column may be negative: that
    is noise around zero. Of columns that say the same, each hides the other's importance.
    """
    from sklearn.inspection import permutation_importance

    loss = loss_on(plan, rows)

    def gain(model: Any, inputs: "pd.DataFrame", labels: "NDArray[np.float64]") -> float:
        return -float(loss.of(predict(model, inputs), labels).mean())

    sample = rows.held_out.sample(min(ROWS_MAX, len(rows.held_out)), random_state=plan.seed)
    inputs, labels = as_inputs(sample, rows.schema), sample[LABEL].to_numpy()
    try:
        found = permutation_importance(
            estimator, inputs, labels, scoring=gain, n_repeats=REPEATS, random_state=plan.seed
        )
    except ValueError as exc:
        log.warning("importance_unknown", cause=str(exc)[:200])
        return {}
    named = {name: float(mean) for name, mean in zip(rows.schema.names, found.importances_mean, strict=True)}
    return dict(sorted(named.items(), key=lambda item: -item[1]))
