"""The rows of one batch in a frame of many, and what describes the batch as a whole."""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.config.table import Table
from tasks.ingestion.sources import Batch
from tasks.ingestion.validation.batch_frame import BatchFrame, Mask
from tasks.ingestion.validation.batch_history import fingerprint

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class BatchSlice:
    """Batch number `index` of `frame`, at `rows` of it.

    `bad`, `repeated` and `days` have one value per row of the whole frame. `repeated` marks rows whose key comes again
    later in their batch and that may be dropped. `days` holds the local day of each row's event time, NaT where the
    time is unknown.
    """

    frame: BatchFrame
    batch: Batch
    index: int
    rows: slice
    bad: Mask
    repeated: Mask
    days: NDArray[np.datetime64]

    @property
    def table(self) -> Table:
        return self.frame.rules.table

    @property
    def size(self) -> int:
        return int(self.rows.stop - self.rows.start)

    @property
    def distinct_rows(self) -> int:
        """Number of rows without the repeated ones."""
        return self.size - int(np.count_nonzero(self.repeated[self.rows]))

    @cached_property
    def accepted_rows(self) -> int:
        """Number of rows that are neither bad nor repeated."""
        return self.size - int(np.count_nonzero(self.bad[self.rows] | self.repeated[self.rows]))

    @cached_property
    def accepted(self) -> "pd.DataFrame":
        """The good rows without the repeated ones."""
        return self.frame.rows.iloc[self.rows][~(self.bad[self.rows] | self.repeated[self.rows])]

    @cached_property
    def fingerprint(self) -> int | None:
        """A fingerprint of the accepted rows, where the contract asks for distinct days."""
        return fingerprint(self.table, self.accepted) if self.table.distinct_days and self.accepted_rows else None

    @cached_property
    def own_day(self) -> "pd.DataFrame":
        """The rows whose event time is on the batch's day."""
        on_day = np.asarray(self.days[self.rows] == np.datetime64(self.batch.day), dtype=bool)
        return self.frame.rows.iloc[self.rows][on_day]

    @cached_property
    def clock(self) -> "pd.Series[pd.Timestamp]":
        """Event times of the rows of the batch's day, in the pipeline's time zone."""
        times: pd.Series[pd.Timestamp] = self.own_day[self.table.event_time].dt.tz_convert(self.frame.rules.zone)
        return times

    @cached_property
    def other_days(self) -> Counter[date]:
        """Number of rows per day that is not the batch's."""
        days = self.days[self.rows]
        others = days[(days != np.datetime64(self.batch.day)) & ~np.isnat(days)]
        found, counts = np.unique(others, return_counts=True)
        return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))

    def missing_share(self, column: str) -> float:
        """Share of rows without a text in the column."""
        return float(self.frame.missing_per_batch[column][self.index] / self.size) if self.size else math.nan
