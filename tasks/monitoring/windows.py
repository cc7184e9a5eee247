"""Windows of whole days, and the features rows of a window with the model's predictions."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from releases.loader import LoadedModel
from tasks.evaluation.labels import read_features
from tasks.lake.columns import BATCH_DAY, LOGGED, PREDICTION
from tasks.serving.prediction_log import read_predictions
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


def predicted_rows(lake_root: Path, key: str, days: DayRange, model: LoadedModel) -> "pd.DataFrame":
    """Rows of the features table with two more columns: the model's `prediction`, and whether it was `logged`.

    The gateway's logged predictions are used where they exist. The model computes the others here, so that a window can
    be judged without traffic.
    """
    rows = read_features(lake_root, key, days.since, days.until)
    logged = read_predictions(lake_root, model.digest).set_index("key")[PREDICTION]
    predictions = rows[key].map(logged).astype("float64")
    is_logged = predictions.notna()
    if not is_logged.all():
        predictions[~is_logged] = model.predict(as_inputs(rows[~is_logged], model.manifest.input_schema))
    return rows.assign(**{PREDICTION: predictions}).assign(**{LOGGED: is_logged})


def rows_of(rows: "pd.DataFrame", days: DayRange) -> "pd.DataFrame":
    """The rows of one window."""
    return rows[(rows[BATCH_DAY] >= days.since) & (rows[BATCH_DAY] <= days.until)]
