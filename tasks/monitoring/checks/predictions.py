"""Prediction drift: whether the model's predictions moved further from the reference than its own blocks do."""

from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.column_drift import judge_drift_windows
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict

CHECK = "predictions"


@monitor_check(Topic.PREDICTIONS, shown_in_distributions=True)
def check_predictions(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """Drift of the predictions in the last windows, newest first."""
    return judge_drift_windows(CHECK, context.model, context.model.prediction_kinds, context.windows_judged)
