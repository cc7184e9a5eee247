"""The ledger's tables, and how a connection to them is made safe for several writers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError

from healing.errors import ConfigError, Conflict, StoreUnavailable

LOCK_SECONDS_MAX = 30  # longer than any write here; a writer that waits this long meets a stuck one
_WRITERS_LOCK = 7_240_117  # any constant: PostgreSQL's advisory lock that one writer holds at a time


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the timezone, so it is put back; a naive time is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a time with its timezone, found the naive {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("summary", sa.String, nullable=False),
    sa.Column("note", sa.String, nullable=False, default=""),
    sa.Column("detected_at", UtcDateTime, nullable=False),
    sa.Column("mitigated_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
)
sa.Index(
    "one_unfinished_incident",
    incidents.c.pipeline,
    incidents.c.cause,
    incidents.c.subject,
    unique=True,
    sqlite_where=incidents.c.ended_at.is_(None),
    postgresql_where=incidents.c.ended_at.is_(None),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("observer", sa.String, nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("summary", sa.String, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("incident_id", sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("remedy", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("flow_run_id", sa.String),
    sa.Column("note", sa.String, nullable=False, default=""),
)
sa.Index(
    "one_running_attempt",  # the claim: of two `heal` runs, only one may start a remedy
    attempts.c.incident_id,
    unique=True,
    sqlite_where=attempts.c.outcome == "running",
    postgresql_where=attempts.c.outcome == "running",
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("pipeline", sa.String, primary_key=True),
    sa.Column("batch_id", sa.String, primary_key=True),
    sa.Column("table", sa.String, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("received", sa.Integer, nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("quarantined", sa.Integer, nullable=False),
    sa.Column("duplicates", sa.Integer, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("lake_version", sa.Integer),
    sa.Column("repairs", sa.JSON, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)

checks = sa.Table(
    "checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("check", sa.String, nullable=False),
    sa.Column("cause", sa.String, nullable=False),
    sa.Column("outcome", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("observations", sa.Integer, nullable=False),
    sa.Column("statistic", sa.Float),
    sa.Column("threshold", sa.Float),
    sa.Column("window_from", UtcDateTime, nullable=False),
    sa.Column("window_until", UtcDateTime, nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)
sa.Index("latest_check", checks.c.pipeline, checks.c.check, checks.c.id)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("at_monotonic_ns", sa.BigInteger, nullable=False),
    sa.Column("pipeline", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice, so a reader may continue after the last one it saw
)
sa.Index("latest_of_kind", journal.c.pipeline, journal.c.kind, journal.c.id)


def open_engine(url: str) -> sa.Engine:
    """An engine whose transactions take the write lock at their start, with all tables present.

    ConfigError for a URL that SQLAlchemy cannot use, StoreUnavailable when the database cannot be reached.
    """
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)  # a server that was restarted costs no failed write
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as exc:
        raise ConfigError(f"the ledger needs a SQLAlchemy URL such as sqlite:///var/ledger.db: {exc}") from exc
    if engine.dialect.name == "sqlite":
        _prepare_directory(engine)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_serialised)
    with transaction(engine) as connection:
        metadata.create_all(connection)
    return engine


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction. A broken constraint is a Conflict; any other database error is StoreUnavailable."""
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError as exc:
        raise Conflict(f"another writer was first ({exc.orig}); re-read the ledger, then decide again") from exc
    except DBAPIError as exc:
        raise StoreUnavailable(
            f"expected the ledger at {engine.url.render_as_string(hide_password=True)} to answer, found: {exc.orig}"
        ) from exc


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read that never waits for a writer; errors as in `transaction`."""
    with transaction(engine.execution_options(reading=True)) as connection:
        yield connection


def _prepare_directory(engine: sa.Engine) -> None:
    database = engine.url.database
    if not database or database == ":memory:":
        raise ConfigError("the ledger must outlive its process: expected a database file, found an in-memory database")
    try:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreUnavailable(f"expected a writable directory for the ledger {database}, found: {exc}") from exc


def _configure_sqlite(connection: Any, _record: object) -> None:
    """Write-ahead logging lets readers go on during a write; the driver's own late BEGIN is switched off."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS_MAX * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # a committed attempt survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock first, so that a transaction that reads and then writes never fails on a newer snapshot."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_serialised(connection: sa.Connection) -> None:
    """What `BEGIN IMMEDIATE` is to SQLite: one writer at a time, which sees all that the writers before it wrote.

    Without it, two that open the same incident at once both find none, and one of them fails on the constraint. Readers
    wait for nobody and see one snapshot.
    """
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS_MAX}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
