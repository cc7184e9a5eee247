"""Large Parquet files with many days: the day of every row is known, and the rows of a day are read when asked for.

What is held in memory is the day of each row (four bytes) and a few row groups, however many rows the files have. A
file that is sorted by time is decoded about once per table; in another one, every day reads most row groups.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from healing.errors import NotData
from tasks.config.table import Table
from tasks.ingestion.sources import parquet_rows
from tasks.ingestion.sources.assembly import common_columns
from tasks.ingestion.sources.contract_form import in_contract_form, parse_times

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GROUPS_HELD = 2  # decoded row groups: a day often begins in one and ends in the next


@dataclass(frozen=True)
class OpenParquet:
    """An open Parquet file. `guard` calls a function that reads it, and turns errors into those of the source."""

    file: Any  # pyarrow has no types
    guard: Callable[[Callable[[], pa.Table]], pa.Table]

    def read_group(self, index: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group in the types of the file."""
        names = None if columns is None else list(columns)
        return self.guard(lambda: self.file.read_row_group(index, columns=names))

    @property
    def names(self) -> list[str]:
        return list(self.file.schema_arrow.names)


@dataclass(frozen=True)
class _Group:
    """Row group `index` of a file, and the day of each row as days since 1970."""

    file: OpenParquet
    index: int
    days: "NDArray[np.int32]"


class ParquetDays:
    """The rows of several Parquet files by local day. Not safe for several threads at once."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        import numpy as np

        self._groups = groups
        self._groups_of: dict[int, list[int]] = {}
        self._counts: dict[int, int] = {}
        for position, group in enumerate(groups):
            found, counts = np.unique(group.days, return_counts=True)
            for day, count in zip(found.tolist(), counts.tolist(), strict=True):
                self._groups_of.setdefault(day, []).append(position)
                self._counts[day] = self._counts.get(day, 0) + count
        self._held: OrderedDict[int, pa.Table] = OrderedDict()

    @cached_property
    def counts(self) -> Mapping[date, int]:
        """The number of rows by day, in the order of the days."""
        return {_date(day): self._counts[day] for day in sorted(self._counts)}

    def of(self, day: date) -> pa.Table:
        """The rows of one day as text, in their order in the files; none where the files have no row of it."""
        positions = self._groups_of.get(_number(day), [])
        if not positions:
            first = self._groups[0].file
            return parquet_rows.as_text(first.file.schema_arrow.empty_table()).replace_schema_metadata(None)
        parts = [self._part(position, _number(day)) for position in positions]
        shared = common_columns(parts)
        return pa.concat_tables([part.select(shared) for part in parts]).replace_schema_metadata(None).combine_chunks()

    def _part(self, position: int, day: int) -> pa.Table:
        """The rows of the day in one row group, as text without the metadata of the fields."""
        import numpy as np

        rows = np.flatnonzero(self._groups[position].days == day)
        group = self._group(position)
        is_adjacent = len(rows) == rows[-1] - rows[0] + 1
        part = group.slice(rows[0], len(rows)) if is_adjacent else group.take(pa.array(rows))
        text = parquet_rows.as_text(part)
        return pa.table(text.columns, names=text.column_names)

    def _group(self, position: int) -> pa.Table:
        if position in self._held:
            self._held.move_to_end(position)
            return self._held[position]
        while len(self._held) >= _GROUPS_HELD:
            self._held.popitem(last=False)
        group = self._groups[position]
        self._held[position] = group.file.read_group(group.index)
        return self._held[position]


def parquet_days(files: Sequence[OpenParquet], column: str, table: Table, zone: ZoneInfo, source: str) -> ParquetDays:
    """The files' rows by the local day of their time in `column`.

    A row with an unreadable time goes with the row before it, so that a check finds it. NotData without any time.
    """
    import numpy as np
    import pandas as pd

    for each in files:
        if column not in each.names:
            raise NotData(
                f"source {source}: expected column {column!r}, the event time by which days are separated, "
                f"found {', '.join(each.names)[:200]}"
            )
    places = [(each, index) for each in files for index in range(each.file.num_row_groups)]
    places = [(each, index) for each, index in places if each.file.metadata.row_group(index).num_rows]
    days = [_days(each.read_group(index, [column]), table, zone) for each, index in places]
    joined = pd.Series(np.concatenate(days) if days else np.array([], "float32")).ffill().bfill()
    if joined.isna().any() or not len(joined):
        raise NotData(f"source {source}: expected times in {column!r}, found none in {len(joined)} rows")
    ends = np.cumsum([len(each) for each in days])
    numbers = joined.to_numpy().astype("int32")
    return ParquetDays(
        [
            _Group(each, index, numbers[end - len(known) : end])
            for (each, index), known, end in zip(places, days, ends.tolist(), strict=True)
        ]
    )


def _days(rows: pa.Table, table: Table, zone: ZoneInfo) -> "NDArray[np.float32]":
    """The local day of each row as days since 1970, NaN where the time cannot be read."""
    import numpy as np

    text = in_contract_form(table, parquet_rows.as_text(rows).to_pandas())[table.event_time]
    times = parse_times(text).dt.tz_convert(zone).dt.tz_localize(None)
    days = times.to_numpy().astype("datetime64[D]").astype("float32")  # exact for every date
    days[times.isna().to_numpy()] = np.nan
    return days


def _number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _date(number: int) -> date:
    return date.fromordinal(number + date(1970, 1, 1).toordinal())
