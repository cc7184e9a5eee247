"""Windows of whole days, and rows with the model's predictions."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from releases.loader import LoadedModel
from tasks.evaluation.predictions import classes_of, is_known, predictions_of, with_predictions
from tasks.lake.columns import LOGGED, PREDICTION
from tasks.lake.lake_root import LakeRoot
from tasks.serving.prediction_log import logged_outputs, read_predictions
from tasks.training.inference import as_inputs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class DayRange:
    """Days from `since` to `until`, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1


def windows_back(until: date, days: int, count: int, after: date) -> tuple[DayRange, ...]:
    """Up to `count` adjacent windows of `days` days, newest first. The newest ends at `until`, all begin after `after`.

    Windows do not overlap: with overlapping windows, m-of-n persistence would count one bad week several times.
    """
    windows = []
    for index in range(count):
        last = until - timedelta(days=index * days)
        first = last - timedelta(days=days - 1)
        if first <= after:
            break
        windows.append(DayRange(first, last))
    return tuple(windows)


def predicted_rows(lake_root: LakeRoot, key: str, rows: "pd.DataFrame", model: LoadedModel) -> "pd.DataFrame":
    """Rows of the features table with the model's predictions, and whether each was `logged`.

    The gateway's logged predictions are used where they exist. The model computes the others here, so that a window can
    be judged without traffic.
    """
    import numpy as np

    classes = classes_of(model.manifest)
    logged = read_predictions(lake_root, model.digest).set_index("key")
    if classes:
        predictions = logged_outputs(rows[key].map(logged["outputs"]), len(classes))
    else:
        predictions = rows[key].map(logged[PREDICTION]).to_numpy(dtype="float64", copy=True)
    is_logged = is_known(predictions)
    missing = np.flatnonzero(~is_logged)
    if missing.size:
        predictions[missing] = predictions_of(model, as_inputs(rows.iloc[missing], model.manifest.input_schema))
    return with_predictions(rows, predictions, classes).assign(**{LOGGED: is_logged})
