"""A source in a database: the rows of one day, read in pages by key, all from one snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa
import sqlalchemy as sa

from healing.errors import NotData, NotServed, Oversized, SourceUnavailable
from tasks.config.pipeline import Table
from tasks.config.sources_section import Relation, SqlEndpoint
from tasks.ingestion.sources.address import Lookup
from tasks.ingestion.sources.assembly import Assembly
from tasks.ingestion.sources.batch import Batch, Days, without_today
from tasks.ingestion.sources.document import Document
from tasks.ingestion.sources.document_errors import Broken
from tasks.ingestion.sources.json_rows import as_text, from_records
from tasks.ingestion.sources.retry import Deadline, Patience
from tasks.ingestion.sources.sql_engine import check_there, open_engine
from tasks.ingestion.sources.sql_rows import DayRows, day_of


class SqlReader:
    """Reads batches from one database. A day is a calendar day in `zone`; `first` says which there are.

    The rows are counted before they are read, in the same snapshot: a key with a null or twice the same one would lose
    rows at the edge of a page, and is found by that.
    """

    def __init__(
        self, endpoint: SqlEndpoint, lookup: Lookup, patience: Patience, zone: ZoneInfo, first: tuple[str, Table]
    ) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._zone = zone
        self._first = first
        self._engine = open_engine(endpoint, lookup)

    def close(self) -> None:
        self._engine.dispose()

    def days(self) -> Days | None:
        """The days of the first and the last row, by the event time; None for a query, and while there is no row."""
        name, table = self._first
        relation = self._endpoint.tables.get(name, Relation())
        if relation.query is not None:
            return None

        def once() -> Days | None:
            with self._connected() as connection:
                span = DayRows(connection, name, table, relation, self._zone).span()
            if span is None:
                return None
            days = Days(first=day_of(span[0], self._zone), last=day_of(span[1], self._zone))
            return without_today(days, self._zone)

        return self._patience.ask(once, self._patience.deadline())

    def read(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        """The batch of one day, whole: a failure halfway begins it anew, in a new snapshot."""
        return self._patience.ask(lambda: self._batch(name, table, day, deadline), deadline)

    def _batch(self, name: str, table: Table, day: date, deadline: Deadline) -> Batch:
        relation = self._endpoint.tables.get(name, Relation())
        parts: list[pa.Table] = []
        original = bytearray()
        with self._connected() as connection:
            rows = DayRows(connection, name, table, relation, self._zone)
            expected = rows.count(day)
            self._check_size(name, day, expected, self._endpoint.batch_rows_max, "rows")
            for page in rows.pages(day, self._endpoint.page_rows):
                deadline.check()
                parts.append(self._as_text(name, page))
                original += b"".join(orjson.dumps(row) + b"\n" for row in parts[-1].to_pylist())
                self._check_size(name, day, len(original), self._endpoint.batch_bytes_max, "bytes")
        found = (
            pa.concat_tables(parts) if parts else pa.table({each: pa.array([], pa.string()) for each in rows.columns})
        )
        document = Document(self._endpoint, f"{name} of {day}", f"{name}.ndjson", bytes(original))
        document.check_size(found)
        if found.num_rows != expected:
            raise NotData(
                f"{self._named(name)}: expected {expected} rows of {day}, found {found.num_rows} by key: a key is null "
                "or not unique; name columns in `keyset` that tell rows apart",
                document.content,
                document.suffix,
            )
        together = Assembly(self._endpoint)
        together.add(document, found)
        return together.batch(name, day)

    def _check_size(self, name: str, day: date, found: int, limit: int, what: str) -> None:
        if found > limit:
            raise Oversized(
                f"{self._named(name)}: expected at most {limit} {what} of {day}, found {found}; "
                f"raise batch_{what}_max if a batch is that large"
            )

    def _as_text(self, name: str, page: list[dict[str, object]]) -> pa.Table:
        try:
            return from_records([{column: as_text(column, value) for column, value in row.items()} for row in page])
        except Broken as exc:
            raise NotData(f"{self._named(name)}: expected plain values, found {exc}") from exc

    def _named(self, table: str) -> str:
        return f"source {self._endpoint.name}, table {table}"

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """One snapshot; what the database says against it as the source's error, without the statement."""
        where = f"source {self._endpoint.name}"
        try:
            check_there(self._engine)
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.NoSuchTableError as exc:
            raise NotServed(f"{where}: expected a table or view {exc}, found none; see `tables` of the source") from exc
        except sa.exc.ProgrammingError as exc:  # a name or a right that is not there
            raise NotServed(f"{where}: expected the database to take the query, found: {exc.orig}") from exc
        except (sa.exc.DBAPIError, OSError) as exc:
            found = exc.orig if isinstance(exc, sa.exc.DBAPIError) else exc
            raise SourceUnavailable(
                f"{where}: expected its database to answer, found: {str(found).strip()[:300]}"
            ) from exc
