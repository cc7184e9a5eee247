"""The rows of one table or query for one day, by key, as the driver returns them.

Columns are untyped, so that a value is returned as it is stored, without parsing.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from healing.errors import NotServed
from tasks.config.sources_section import Relation
from tasks.config.table import Table


class DayRows:
    """The rows of a relation, read over one connection and thus from one snapshot."""

    def __init__(self, connection: sa.Connection, name: str, table: Table, relation: Relation, zone: ZoneInfo) -> None:
        self._connection = connection
        self._zone = zone
        self._query = relation.query
        self._time = relation.time or table.event_time
        self._keyset = relation.keyset or table.key
        self.columns: tuple[str, ...] = self._keyset
        if self._query is None:
            schema, _, bare = (relation.table or name).rpartition(".")
            found = sa.inspect(connection).get_columns(bare, schema=schema or None)
            self._types = {str(column["name"]): column["type"] for column in found}
            self.columns = tuple(self._types)
            self._relation = sa.table(bare, *(sa.column(column) for column in self.columns), schema=schema or None)
            for column in (self._time, *self._keyset):
                if column not in self._types:
                    raise NotServed(
                        f"expected column {column!r} in table {relation.table or name}, found "
                        f"{', '.join(self.columns)}; name it in `time` or `keyset` of the source's table"
                    )

    def span(self) -> tuple[object, object, int] | None:
        """The first and the last event time, and the number of rows; None without rows."""
        time = self._relation.c[self._time]
        query = sa.select(sa.func.min(time), sa.func.max(time), sa.func.count())
        first, last, rows = self._connection.execute(query).one()
        return None if first is None else (first, last, int(rows))

    def count(self, day: date) -> int:
        """Number of rows of the day."""
        return int(self._connection.scalar(sa.select(sa.func.count()).select_from(self._day_rows(day))) or 0)

    def pages(self, day: date, page_rows: int) -> Iterator[list[dict[str, object]]]:
        """The day's rows in the order of the key, at most `page_rows` per page."""
        rows = self._day_rows(day)
        key = [rows.c[column] for column in self._keyset]
        query: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(rows).order_by(*key).limit(page_rows)
        last: Sequence[Any] | None = None
        while True:
            result = self._connection.execute(query if last is None else query.where(after(key, last)))
            self.columns = tuple(result.keys())
            page = [dict(row) for row in result.mappings()]
            if page:
                yield page
                last = [page[-1][column] for column in self._keyset]
            if len(page) < page_rows or last is None or None in last:
                return

    def _day_rows(self, day: date) -> sa.Subquery:
        since, until = (self._moment(start) for start in (day, day + timedelta(days=1)))
        if self._query is not None:
            bound = sa.text(self._query).bindparams(since=since, until=until)
            return bound.columns(*(sa.column(column) for column in self._keyset)).subquery("batch")
        time = self._relation.c[self._time]
        return sa.select(self._relation).where(time >= since, time < until).subquery("batch")

    def _moment(self, day: date) -> object:
        """The start of a local day, in the form that the database compares with its values.

        SQLite stores times as text, in UTC and with a space, as SQLAlchemy and pandas write them. The text here has no
        fractions of a second, because a shorter text sorts before a longer one. A column without a time zone is UTC.
        """
        start = datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)
        dialect = self._connection.dialect.name
        kind = None if self._query is not None else self._types[self._time]
        if isinstance(kind, sa.Date):
            return day.isoformat() if dialect == "sqlite" else day
        if kind is not None and not isinstance(kind, sa.DateTime):
            raise NotServed(f"expected a time in column {self._time!r}, found {kind}; use a query that converts it")
        if dialect == "sqlite":
            return f"{start:%Y-%m-%d %H:%M:%S}"
        with_zone = kind is None or getattr(kind, "timezone", False)
        return start if with_zone and dialect not in ("mysql", "mariadb") else start.replace(tzinfo=None)


def after(columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The condition for rows whose key comes after `values`, so that each page costs the same.

    It is (a > x) or (a = x and b > y) …, because not every database compares tuples.
    """
    steps = [
        sa.and_(
            *(known == value for known, value in zip(columns[:position], values[:position], strict=True)),
            column > value,
        )
        for position, (column, value) in enumerate(zip(columns, values, strict=True))
    ]
    return sa.or_(*steps)


def local_day(moment: object, zone: ZoneInfo) -> date:
    """The local day of a time as the driver returned it; text and times without a time zone are UTC."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone).date()
    if isinstance(moment, date):
        return moment
    return local_day(datetime.fromisoformat(str(moment)), zone)
