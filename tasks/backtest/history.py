"""The pipeline's features and labels, read from the lake once, as they were known at the end of each day."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource, label_numbers, label_source, read_features
from tasks.lake.columns import BATCH_DAY, KNOWN_AT, LABEL
from tasks.lake.lake_root import LakeRoot
from tasks.lake.lake_table import LakeTable
from tasks.training.dataset import TrainingDataset, dataset_of
from tasks.training.plan import TrainingPlan, plan_at, plan_training

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SCORED_ROWS_MAX = 60_000  # a model predicts them in two seconds
_SEED = 20130101


@dataclass(frozen=True)
class History:
    """All rows of the features table, in the order of their requests, and all labels, in the order of their arrival.

    `plan` pins the lake's versions. It has no parameter search: a search is limited in seconds, so its result depends
    on the load of the machine.
    """

    pipeline: Pipeline
    source: LabelSource
    plan: TrainingPlan
    rows: "pd.DataFrame"
    labels: "pd.DataFrame"
    scored_rows_max: int = SCORED_ROWS_MAX

    @classmethod
    def read(cls, pipeline: Pipeline, lake_root: LakeRoot, scored_rows_max: int = SCORED_ROWS_MAX) -> "History":
        """The history in the lake. StoreUnavailable before the first ingested day."""
        source = label_source(pipeline, lake_root)
        plan = replace(plan_training(pipeline, source), search=None)
        rows = read_features(lake_root, source.key, None, None, plan.features_version)
        table = LakeTable(lake_root, source.table, source.table_key)
        columns = [source.key, source.column, source.known_at]
        labels = table.read(columns=columns, version=plan.labels_version)
        labels = labels[labels[source.column].notna()].sort_values(source.known_at)
        return cls(pipeline, source, plan, rows, labels, scored_rows_max)

    @cached_property
    def first_day(self) -> date:
        """The first day with features."""
        return date.fromordinal(int(self._days.min()))

    @cached_property
    def last_day(self) -> date:
        """The last day with features."""
        return date.fromordinal(int(self._days.max()))

    def features(self, since: date, until: date) -> "pd.DataFrame":
        """The rows whose day is in [since, until], as `read_features` returns them."""
        import numpy as np

        inside = (self._days >= since.toordinal()) & (self._days <= until.toordinal())
        return self.rows.iloc[np.flatnonzero(inside)].reset_index(drop=True)

    def with_labels(self, rows: "pd.DataFrame", as_of: datetime | None) -> "pd.DataFrame":
        """Some of the rows with the labels known at `as_of` (None: with all), as `join_labels` returns them."""
        import pandas as pd

        values, known_at = self._known(as_of)
        places = self.places_of(rows)
        times = pd.Series(known_at[places], index=rows.index).dt.tz_localize(UTC)
        return rows.assign(**{LABEL: values[places]}).assign(**{KNOWN_AT: times})

    def places_of(self, rows: "pd.DataFrame") -> "NDArray[np.intp]":
        """The position in `self.rows` of each row by its key, -1 for an unknown key; shape (rows,)."""
        import pandas as pd

        return self._positions.get_indexer(pd.Index(rows[self.source.key]))

    def dataset(self, plan: TrainingPlan) -> TrainingDataset:
        """The plan's labelled rows, as `read_dataset` returns them. TrainingRefused as there."""
        if plan.key not in self._datasets:
            joined = self.with_labels(self.features(plan.train_from, plan.until), plan.as_of)
            found = dataset_of(plan, joined, self.source.key)
            self._datasets.clear()  # all fits of one day follow each other
            self._datasets[plan.key] = found
        return self._datasets[plan.key]

    @cached_property
    def _datasets(self) -> "dict[str, TrainingDataset]":
        return {}

    def plan_at(self, until: date) -> TrainingPlan:
        """The training plan at the end of day `until`."""
        return plan_at(self.plan, until, self.pipeline.retrain, self.source.zone, self.first_day)

    @cached_property
    def scored(self) -> "pd.DataFrame":
        """The rows on which models are scored, with their final labels: all labelled rows, or a sample of them."""
        labelled = self.with_labels(self.rows, None)
        labelled = labelled[labelled[LABEL].notna()]
        if len(labelled) > self.scored_rows_max:
            labelled = labelled.sample(self.scored_rows_max, random_state=_SEED).sort_index()
        return labelled.reset_index(drop=True)

    @cached_property
    def scored_days(self) -> "NDArray[np.int64]":
        """The ordinal day of each scored row, shape (scored rows,)."""
        return _ordinals(self.scored)

    @cached_property
    def scored_share(self) -> float:
        """Scored rows per labelled row."""
        import numpy as np

        values, _ = self._known(None)
        return len(self.scored) / max(1, int(np.isfinite(values).sum()))

    def _known(self, as_of: datetime | None) -> "tuple[NDArray[np.float64], NDArray[Any]]":
        """Label and arrival of each row at `as_of` (None: all of them); of several labels, the one that came last."""
        import numpy as np
        import pandas as pd

        if as_of not in self._known_at:
            places, values, arrivals = self._arrivals
            limit = None if as_of is None else pd.Timestamp(as_of).tz_convert(UTC).tz_localize(None).to_datetime64()
            count = len(places) if limit is None else int(np.searchsorted(arrivals, limit, side="right"))
            label, arrival = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.datetime64("NaT", "us"))
            label[places[:count]], arrival[places[:count]] = values[:count], arrivals[:count]
            self._known_at.clear()  # days are replayed one after the other, so only the newest is kept
            self._known_at[as_of] = label, arrival
        return self._known_at[as_of]

    @cached_property
    def _known_at(self) -> "dict[datetime | None, tuple[NDArray[np.float64], NDArray[Any]]]":
        return {}

    @cached_property
    def _arrivals(self) -> "tuple[NDArray[np.intp], NDArray[np.float64], NDArray[Any]]":
        """Row position, value, and instant in UTC of each label, in the order of arrival."""
        import numpy as np

        source, labels = self.source, self.labels
        places = self.places_of(labels)
        found = places >= 0
        values = np.asarray(label_numbers(labels[source.column], source), dtype=np.float64)
        instants = labels[source.known_at].dt.tz_convert(UTC).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        return places[found], values[found], instants[found]

    @cached_property
    def _positions(self) -> "pd.Index[Any]":
        import pandas as pd

        keys: pd.Index[Any] = pd.Index(self.rows[self.source.key])
        return keys

    @cached_property
    def _days(self) -> "NDArray[np.int64]":
        return _ordinals(self.rows)


def _ordinals(rows: "pd.DataFrame") -> "NDArray[np.int64]":
    import numpy as np

    return np.fromiter((day.toordinal() for day in rows[BATCH_DAY]), dtype=np.int64, count=len(rows))
