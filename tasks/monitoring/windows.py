"""Windows of answered rows: which days, what the champion answered, and what became known of it."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from healing.quality import Cohort, LabelledWindow
from releases.loader import LoadedModel
from tasks.evaluation.clustered import DaySum
from tasks.evaluation.labels import read_features
from tasks.evaluation.losses import Loss
from tasks.evaluation.scores import by_day
from tasks.lake.columns import BATCH_DAY, LABEL, PREDICTION
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
    """Up to `count` adjoining windows of `days`, newest first, the newest ending at `until`, none reaching `after`.

    They do not overlap: m of n overlapping windows would count one bad week several times.
    """
    windows = []
    for index in range(count):
        last = until - timedelta(days=index * days)
        first = last - timedelta(days=days - 1)
        if first <= after:
            break
        windows.append(DayRange(first, last))
    return tuple(windows)


def answered_rows(lake_root: Path, key: str, days: DayRange, model: LoadedModel) -> "pd.DataFrame":
    """Rows of features with the model's `prediction` and whether it was `logged` by the gateway.

    A row that the gateway never answered with this model is answered here, so that a window can be judged without
    traffic.
    """
    rows = read_features(lake_root, key, days.since, days.until)
    logged = read_predictions(lake_root, model.digest).set_index("key")[PREDICTION]
    answers = rows[key].map(logged).astype("float64")
    is_logged = answers.notna()
    if not is_logged.all():
        answers[~is_logged] = model.predict(as_inputs(rows[~is_logged], model.manifest.input_schema))
    return rows.assign(prediction=answers, logged=is_logged)


def rows_of(rows: "pd.DataFrame", days: DayRange) -> "pd.DataFrame":
    """The rows of one window."""
    return rows[(rows[BATCH_DAY] >= days.since) & (rows[BATCH_DAY] <= days.until)]


def cohorts_of(joined: "pd.DataFrame", loss: Loss) -> tuple[Cohort, ...]:
    """Answered rows that were joined with their labels, by the day on which they were asked."""
    import numpy as np

    answers, labels = joined[PREDICTION].to_numpy(dtype=float), joined[LABEL].to_numpy(dtype=float)
    known = ~np.isnan(labels)
    excess = np.zeros(len(joined))
    excess[known] = loss.excess(answers[known], labels[known])
    days = joined[BATCH_DAY]
    counted = zip(by_day(days, known.astype(float)), by_day(days, excess), strict=True)
    return tuple(Cohort(labelled.rows, DaySum(int(labelled.total), losses.total)) for labelled, losses in counted)


def counted_cohorts(joined: "pd.DataFrame") -> tuple[Cohort, ...]:
    """How many rows of each day have a label; of rows that nobody answered, so without losses."""
    import numpy as np

    known = np.asarray(joined[LABEL].notna(), dtype=np.float64)
    return tuple(Cohort(day.rows, DaySum(int(day.total), 0.0)) for day in by_day(joined[BATCH_DAY], known))


def labelled_window(joined: "pd.DataFrame", loss: Loss, usual_coverage: float | None = None) -> LabelledWindow:
    """The window of answered rows that were joined with their labels."""
    known = joined[joined[LABEL].notna()]
    best, worst = loss.extremes(known[PREDICTION].to_numpy(dtype=float), known[LABEL].to_numpy(dtype=float))
    return LabelledWindow(cohorts_of(joined, loss), usual_coverage, best, worst)
