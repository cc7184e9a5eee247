"""The year's flights with their labels, and the fits of the replay."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.year.lake import LAST, NAME, flights, year_lake
from tasks.backtest.fit_store import FitStore
from tasks.backtest.fits import AcceptedModel
from tasks.backtest.history import History
from tasks.backtest.policies import Period
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource
from tasks.evaluation.losses import LogLoss
from tasks.lake.columns import BATCH_DAY
from tasks.monitoring.distances import ColumnKind, column_kinds
from tasks.training.inference import input_schema

if TYPE_CHECKING:
    import pandas as pd

FIRST_UNTIL = date(2013, 2, 28)  # the last training or acceptance day of the first model
LOSS = LogLoss()
_ALL_ROWS = 10**9  # the replay scores every flight


@dataclass(frozen=True)
class World:
    """The pipeline, its history, and all flights that landed, with their labels."""

    pipeline: Pipeline
    history: History

    @classmethod
    def of_2013(cls) -> "World":
        pipeline = flights()
        return cls(pipeline, History.read(pipeline, year_lake(), _ALL_ROWS))

    @property
    def labels(self) -> LabelSource:
        return self.history.source

    @property
    def landed(self) -> "pd.DataFrame":
        return self.history.scored

    @cached_property
    def fits(self) -> FitStore:
        """The fits of the replay, kept beside the lake."""
        return FitStore(year_lake().parents[1] / "backtest" / NAME, self.history)

    @property
    def first(self) -> AcceptedModel:
        """The model of the first two months."""
        return self.fits.accepted(FIRST_UNTIL)

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """How each input is compared."""
        schema = input_schema(self.landed, self.labels.key)
        return column_kinds([(column.name, column.type) for column in schema.columns])

    def rows(self, since: date, until: date) -> "pd.DataFrame":
        """Landed flights of the days from `since` to `until`."""
        return self.landed[(self.landed[BATCH_DAY] >= since) & (self.landed[BATCH_DAY] <= until)]

    def period(self, last: date = LAST) -> Period:
        """The replayed days."""
        return Period(FIRST_UNTIL, last)
