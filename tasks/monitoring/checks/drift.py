"""Feature drift: whether the model's inputs moved further from the reference than its own blocks do."""

import math
from collections.abc import Mapping

from healing.incident import Cause
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.column_drift import judge_drift_windows
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict

CHECK = "features"
WEIGHT_MIN = 0.1  # of an equal share


@monitor_check(Topic.FEATURES, cause=Cause.DATA_DRIFT, shown_in_distributions=True)
def check_features(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """Drift of each input in the last windows, newest first.

    Inputs are weighted by the model's permutation importance, if its manifest has it: a column that the model barely
    uses has to drift with more certainty.
    """
    model = context.model
    importance = model.champion.manifest.reference.importance
    weights = importance_weights(importance) if importance else None
    return judge_drift_windows(CHECK, model, model.input_kinds, context.windows_judged, weights)


def importance_weights(importance: Mapping[str, float], floor: float = WEIGHT_MIN) -> dict[str, float]:
    """Weights with mean 1, in proportion to how much the model relies on each column.

    A permutation importance can be zero or less by chance, and is zero for a column that was constant when it was
    measured. So every column keeps at least `floor` of an equal share.
    """
    total = math.fsum(max(value, 0.0) for value in importance.values())
    count = len(importance)
    share = {column: max(value, 0.0) * count / total if total else 1.0 for column, value in importance.items()}
    return {column: floor + (1 - floor) * value for column, value in share.items()}
