"""A source in a database: the rows of one day, read in pages by key, all from one snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa
import sqlalchemy as sa

from healing.errors import NotData, NotServed, Oversized, SourceUnavailable
from tasks.config.sources_section import Relation, SqlEndpoint
from tasks.config.table import Table
from tasks.ingestion.sources.address import Lookup
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.batch import Batch, ServedDays, complete_days
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.json_rows import as_text, from_records
from tasks.ingestion.sources.retry import Deadline, Retrier
from tasks.ingestion.sources.sql_engine import check_database_file, open_engine
from tasks.ingestion.sources.sql_rows import DayRows, local_day


class SqlReader:
    """Reads batches from one database. A day is a calendar day in `zone`; `batch_table` shows the served days.

    The rows are counted before they are read, in the same snapshot. That finds a null or repeated key, which would lose
    rows between two pages.
    """

    def __init__(
        self, endpoint: SqlEndpoint, lookup: Lookup, retrier: Retrier, zone: ZoneInfo, batch_table: tuple[str, Table]
    ) -> None:
        self._endpoint = endpoint
        self._retrier = retrier
        self._zone = zone
        self._batch_table = batch_table
        self._engine = open_engine(endpoint, lookup)

    def close(self) -> None:
        self._engine.dispose()

    def days(self) -> ServedDays | None:
        """The days of the first and the last row, by the event time; None for a query, and while there is no row."""
        name, table = self._batch_table
        relation = self._endpoint.tables.get(name, Relation())
        if relation.query is not None:
            return None

        def once() -> ServedDays | None:
            with self._connect() as connection:
                span = DayRows(connection, name, table, relation, self._zone).span()
            if span is None:
                return None
            first, last = (local_day(each, self._zone) for each in span[:2])
            per_day = span[2] / ((last - first).days + 1)
            return complete_days(ServedDays(first=first, last=last, rows_per_day=per_day), self._zone)

        return self._retrier.call(once, self._retrier.deadline())

    def row_counts(self, name: str, table: Table) -> None:
        """None: each day is read by itself."""

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The complete batch of one day; after a failure it is read again from the start, in a new snapshot."""
        return self._retrier.call(lambda: self._batch(name, table, day, deadline), deadline)

    def _batch(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        relation = self._endpoint.tables.get(name, Relation())
        with self._connect() as connection:
            rows = DayRows(connection, name, table, relation, self._zone)
            expected = rows.count(day)
            self._check_size(name, day, expected, self._endpoint.batch_rows_max, "rows")
            found, original = self._read_pages(name, day, rows, deadline)
        document = Document(self._endpoint, f"{name} of {day}", f"{name}.ndjson", original)
        document.check_size(found)
        self._check_count(name, day, expected, found.num_rows, document)
        assembly = Assembly(self._endpoint)
        assembly.add(document, found)
        return assembly.batch(name, day)

    def _read_pages(self, name: str, day: date, rows: DayRows, deadline: Deadline) -> tuple[pa.Table, bytes]:
        """The rows of a day as text, and the same as lines of JSON."""
        parts: list[pa.Table] = []
        original = bytearray()
        for page in rows.pages(day, self._endpoint.page_rows):
            deadline.check()
            parts.append(self._as_text(name, page))
            original += b"".join(orjson.dumps(row) + b"\n" for row in parts[-1].to_pylist())
            self._check_size(name, day, len(original), self._endpoint.batch_bytes_max, "bytes")
        if not parts:
            return pa.table({column: pa.array([], pa.string()) for column in rows.columns}), b""
        return pa.concat_tables(parts), bytes(original)

    def _check_count(self, name: str, day: date, expected: int, found: int, document: Document) -> None:
        if found != expected:
            raise NotData(
                f"{self._named(name)}: expected {expected} rows of {day}, found {found} by key: a key is null "
                "or not unique; name columns in `keyset` that identify a row",
                document.content,
                document.suffix,
            )

    def _check_size(self, name: str, day: date, found: int, limit: int, unit: str) -> None:
        if found > limit:
            raise Oversized(
                f"{self._named(name)}: expected at most {limit} {unit} of {day}, found {found}; "
                f"raise batch_{unit}_max if a batch is that large"
            )

    def _as_text(self, name: str, page: list[dict[str, object]]) -> pa.Table:
        try:
            return from_records([{column: as_text(column, value) for column, value in row.items()} for row in page])
        except BrokenDocument as exc:
            raise NotData(f"{self._named(name)}: expected plain values, found {exc}") from exc

    def _named(self, table: str) -> str:
        return f"source {self._endpoint.name}, table {table}"

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        """One snapshot; an error of the database becomes one of the source, without the statement."""
        where = f"source {self._endpoint.name}"
        try:
            check_database_file(self._engine)
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.NoSuchTableError as exc:
            raise NotServed(f"{where}: expected a table or view {exc}, found none; see `tables` of the source") from exc
        except sa.exc.ProgrammingError as exc:  # a name or a right is missing
            raise NotServed(f"{where}: expected the database to take the query, found: {exc.orig}") from exc
        except (sa.exc.DBAPIError, OSError) as exc:
            found = exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc
            raise SourceUnavailable(
                f"{where}: expected its database to answer, found: {str(found).strip()[:300]}"
            ) from exc
