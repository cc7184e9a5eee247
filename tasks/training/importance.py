"""Permutation importance: how much the loss on held-out rows increases when one column is shuffled."""

from typing import TYPE_CHECKING, Any

import structlog

from tasks.lake.columns import LABEL
from tasks.training.dataset import TrainingDataset, training_loss
from tasks.training.inference import as_inputs, predict
from tasks.training.plan import TrainingPlan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

ROWS_MAX = 1000  # enough to rank the columns, at about 5 ms per column
REPEATS = 3


def permutation_importance(plan: TrainingPlan, dataset: TrainingDataset, estimator: Any) -> dict[str, float]:
    """Mean increase of the loss (nats or variances per row) by column, largest first; empty if the estimator raises.

    As scikit-learn computes it (Breiman 2001, *Random Forests*). A negative value is noise around zero. Columns that
    carry the same information hide each other's importance.
    """
    from sklearn import inspection

    loss = training_loss(plan, dataset)

    def negative_loss(model: Any, inputs: "pd.DataFrame", labels: "NDArray[np.float64]") -> float:
        return -float(loss.of(predict(model, inputs), labels).mean())

    sample = dataset.held_out.sample(min(ROWS_MAX, len(dataset.held_out)), random_state=plan.seed)
    inputs, labels = as_inputs(sample, dataset.schema), sample[LABEL].to_numpy()
    try:
        found = inspection.permutation_importance(
            estimator, inputs, labels, scoring=negative_loss, n_repeats=REPEATS, random_state=plan.seed
        )
    except ValueError as exc:
        log.warning("importance_unknown", cause=str(exc)[:200])
        return {}
    by_column = {name: float(mean) for name, mean in zip(dataset.schema.names, found.importances_mean, strict=True)}
    return dict(sorted(by_column.items(), key=lambda item: -item[1]))
