"""Files that hold many days: read once, and returned one day at a time by the table's event time.

`files` reads patterns with `{day}`; this reads the others, such as one CSV with everything. What is held in memory is
bounded by the source's `batch_bytes_max`, as for a batch. Large Parquet and CSV files stay on disk: see `parquet_days`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from healing.errors import NotData, Oversized
from tasks.config.sources_section import FilesEndpoint, names_a_day, path_of
from tasks.config.table import Table
from tasks.ingestion.sources.assembly import common_columns
from tasks.ingestion.sources.batch import Batch, ServedDays, complete_days
from tasks.ingestion.sources.contract_form import in_contract_form, parse_times
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.parquet_days import ParquetDays, parquet_days
from tasks.ingestion.sources.retry import Deadline, Retrier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STREAMED_BYTES_MIN = 64 << 20  # Parquet and CSV files of this size are read row group by row group


@dataclass(frozen=True)
class _RowsByDay:
    """Rows in the order of their days. `spans` holds the first position and the number of each day's rows.

    `columns` holds the columns of each day: those that every file with rows of the day has.
    """

    rows: pa.Table
    spans: Mapping[date, tuple[int, int]]
    columns: Mapping[date, list[str]]

    @property
    def counts(self) -> Mapping[date, int]:
        """The number of rows by day."""
        return {day: count for day, (_, count) in self.spans.items()}

    def of(self, day: date) -> pa.Table:
        """The rows of one day; none, with all columns, where the files have no row of it."""
        first, count = self.spans.get(day, (0, 0))
        return self.rows.select(self.columns.get(day, self.rows.column_names)).slice(first, count)


class WholeFilesReader:
    """Reads batches from `files`, some of which hold many days. The days of `batch_table` are the served days."""

    def __init__(
        self,
        endpoint: FilesEndpoint,
        files: FilesReader,
        retrier: Retrier,
        zone: ZoneInfo,
        batch_table: tuple[str, Table],
        streamed_bytes_min: int = STREAMED_BYTES_MIN,
    ) -> None:
        self._endpoint = endpoint
        self._files = files
        self._retrier = retrier
        self._zone = zone
        self._batch_table = batch_table
        self._lock = Lock()  # several threads request batches, and the files are read once
        self._streamed_bytes_min = streamed_bytes_min
        self._by_day: dict[tuple[str, ...], _RowsByDay | ParquetDays] = {}

    def close(self) -> None:
        self._files.close()

    def days(self) -> ServedDays | None:
        """The first and last day that is over; None when no row has a time yet."""
        name, table = self._batch_table
        if names_a_day(self._pattern(name, table)):
            return self._files.days()
        known = self._rows_by_day(name, table, self._retrier.deadline()).counts
        if not known:
            return None
        first, last = min(known), max(known)
        rows_per_day = sum(known.values()) / ((last - first).days + 1)
        return complete_days(ServedDays(first=first, last=last, rows_per_day=rows_per_day), self._zone)

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The rows of one day, in their order in the file; none when the files have no row of that day."""
        if names_a_day(self._pattern(name, table)):
            return self._files.read(name, table, day, deadline)
        by_day = self._rows_by_day(name, table, deadline)
        if isinstance(by_day, ParquetDays):
            with self._lock:
                rows = self._retrier.call(lambda: by_day.of(day), self._retrier.deadline())
            self._check_size(name, day, rows)
        else:
            rows = by_day.of(day)
        return Batch(name, day, self._endpoint.name, rows, rows)

    def row_counts(self, name: str, table: Table) -> Mapping[date, int] | None:
        """The number of rows by day; None where one file holds one day, which is not read for that."""
        if names_a_day(self._pattern(name, table)):
            return None
        return self._rows_by_day(name, table, self._retrier.deadline()).counts

    def _pattern(self, name: str, table: Table) -> str:
        return self._endpoint.tables.get(name, table.path)

    def _rows_by_day(self, name: str, table: Table, deadline: Deadline) -> "_RowsByDay | ParquetDays":
        """The files' rows by day. Other threads wait, because they need the same files.

        Tables that read the same time from the same files share them: rows are in memory once.
        """
        pattern = path_of(self._pattern(name, table), name, date.min)  # it names no day, perhaps the table
        time = table.event_time
        column = table.source_names.get(time, time)
        key = (pattern, column, repr(table.formats.get(time)), repr(table.missing.get(time)))
        with self._lock:
            if key not in self._by_day:
                self._by_day[key] = self._read_files(pattern, column, table, deadline)
            return self._by_day[key]

    def _read_files(self, pattern: str, column: str, table: Table, deadline: Deadline) -> "_RowsByDay | ParquetDays":
        """Large Parquet and CSV files stay on disk; others are held in memory.

        Opening large files may take longer than a batch, whose `deadline` it is.
        """
        large = self._files.open_large(pattern, self._streamed_bytes_min, deadline)
        if large is not None:
            source, zone, deadline = self._endpoint.name, self._zone, self._retrier.deadline()
            return self._retrier.call(lambda: parquet_days(large, column, table, zone, source), deadline)
        parts = self._files.assemble(pattern, deadline).parts
        return _by_day(parts, column, table, self._zone, self._endpoint.name)

    def _check_size(self, name: str, day: date, rows: pa.Table) -> None:
        """Oversized when the rows of one day exceed the limits of a batch."""
        document = Document(self._endpoint, f"{name} of {day}", f"{name}.parquet", b"")
        document.check_size(rows)
        if rows.nbytes > self._endpoint.batch_bytes_max:
            raise Oversized(
                f"source {self._endpoint.name}: expected at most {self._endpoint.batch_bytes_max} bytes in {name} of "
                f"{day}, found {rows.nbytes}; raise batch_bytes_max if a batch is that large"
            )


def _by_day(parts: Sequence[pa.Table], column: str, table: Table, zone: ZoneInfo, source: str) -> _RowsByDay:
    """Rows by their local day. One with an unreadable time goes with the row before it, so that a check finds it."""
    import numpy as np

    for part in parts:
        if column not in part.column_names:
            raise NotData(
                f"source {source}: expected column {column!r}, the event time by which days are separated, "
                f"found {', '.join(part.column_names)[:200]}"
            )
    rows = pa.concat_tables([part.replace_schema_metadata(None) for part in parts], promote_options="default")
    text = in_contract_form(table, rows.select([column]).to_pandas())[table.event_time]
    times = parse_times(text).dt.tz_convert(zone).dt.tz_localize(None).ffill().bfill()
    if times.isna().any():
        raise NotData(f"source {source}: expected times in {column!r}, found none in {len(rows)} rows")
    days = times.to_numpy().astype("datetime64[D]")
    part_of = np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])
    if not (days[:-1] <= days[1:]).all():
        order = np.argsort(days, kind="stable")
        rows, days, part_of = rows.take(pa.array(order)), days[order], part_of[order]
    spans = _spans(days)
    columns = {}
    if len(parts) > 1:
        columns = {day: _columns(parts, part_of[first : first + count]) for day, (first, count) in spans.items()}
    return _RowsByDay(rows.combine_chunks(), spans, columns)


def _columns(parts: Sequence[pa.Table], part_of: "NDArray[np.intp]") -> list[str]:
    """The columns that every file with one of these rows has."""
    import numpy as np

    return common_columns([parts[index] for index in np.unique(part_of)])


def _spans(days: "NDArray[np.datetime64]") -> dict[date, tuple[int, int]]:
    """The first position and the number of rows of each of the ascending days."""
    import numpy as np

    found, first, count = np.unique(days, return_index=True, return_counts=True)
    return dict(zip(found.tolist(), zip(first.tolist(), count.tolist(), strict=True), strict=True))
