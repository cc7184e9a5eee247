"""Files that hold many days: read once, and given out a day at a time by the table's event time.

A pattern with `{day}` is read as `files` reads it; this is about the others, such as one CSV with all that there is.
What is held in memory is bounded by the source's `batch_bytes_max`, as a batch is.
"""

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from threading import Lock
from zoneinfo import ZoneInfo

import pyarrow as pa

from healing.errors import NotData
from tasks.config.pipeline import Table
from tasks.config.sources_section import FilesEndpoint, names_a_day, path_of
from tasks.ingestion.sources.batch import Batch, Days, without_today
from tasks.ingestion.sources.contract_form import in_contract_form, parse_times
from tasks.ingestion.sources.files import FilesReader
from tasks.ingestion.sources.retry import Deadline, Patience


@dataclass(frozen=True)
class _Split:
    """Rows in the order of their days, and where each day's rows are: first place and number."""

    rows: pa.Table
    places: Mapping[date, tuple[int, int]]


class WholeFilesReader:
    """Reads batches from `files`, some of which hold many days. `first` is the table whose days are the source's."""

    def __init__(
        self, endpoint: FilesEndpoint, files: FilesReader, patience: Patience, zone: ZoneInfo, first: tuple[str, Table]
    ) -> None:
        self._endpoint = endpoint
        self._files = files
        self._patience = patience
        self._zone = zone
        self._first = first
        self._lock = Lock()  # batches are asked for by several threads, and the files are read once
        self._rows: dict[str, pa.Table] = {}
        self._splits: dict[str, _Split] = {}

    def close(self) -> None:
        self._files.close()

    def days(self) -> Days | None:
        """The first and last day that is over; None when there is no row with a time yet."""
        name, table = self._first
        if names_a_day(self._pattern(name, table)):
            return self._files.days()
        known = self._split(name, table, self._patience.deadline()).places
        return without_today(Days(first=min(known), last=max(known)), self._zone) if known else None

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The rows of one day, in their order in the file; none when the files have no row of that day."""
        if names_a_day(self._pattern(name, table)):
            return self._files.read(name, table, day, deadline)
        split = self._split(name, table, deadline)
        first, count = split.places.get(day, (0, 0))
        rows = split.rows.slice(first, count)
        return Batch(name, day, self._endpoint.name, _as_csv(rows), rows.to_pandas())

    def _pattern(self, name: str, table: Table) -> str:
        return self._endpoint.tables.get(name, table.path)

    def _split(self, name: str, table: Table, deadline: Deadline) -> _Split:
        """The files' rows by day. Whoever asks meanwhile waits: it needs the same files."""
        with self._lock:
            if name not in self._splits:
                pattern = path_of(self._pattern(name, table), name, date.min)  # no day in it, maybe the table
                if pattern not in self._rows:
                    self._rows[pattern] = self._files.together(pattern, deadline).rows()
                self._splits[name] = _split(self._rows[pattern], table, self._zone, self._endpoint.name)
            return self._splits[name]


def _split(rows: pa.Table, table: Table, zone: ZoneInfo, source: str) -> _Split:
    """A row whose time cannot be read goes with the row before it: so the contract meets it, and nothing is lost."""
    column = table.source_names.get(table.event_time, table.event_time)
    if column not in rows.column_names:
        raise NotData(
            f"source {source}: expected column {column!r}, which tells the days apart, "
            f"found {', '.join(rows.column_names)[:200]}"
        )
    text = in_contract_form(table, rows.select([column]).to_pandas())[table.event_time]
    days = parse_times(text).dt.tz_convert(zone).dt.date.ffill().bfill()
    if days.isna().any():
        raise NotData(f"source {source}: expected times in {column!r}, found none in {len(rows)} rows")
    order = days.argsort(kind="stable")
    places: dict[date, tuple[int, int]] = {}
    first = 0
    for day, count in sorted(Counter(days).items()):
        places[day] = (first, count)
        first += count
    return _Split(rows.take(pa.array(order.to_numpy())), places)


def _as_csv(rows: pa.Table) -> bytes:
    """The rows as a file of their own, for whoever has to look at them; a missing value is an empty field."""
    import pyarrow.csv as pacsv

    written = io.BytesIO()
    pacsv.write_csv(rows, written)
    return written.getvalue()
