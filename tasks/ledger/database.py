"""A connection to the ledger's database, made safe for several writers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError

from healing.errors import ConfigError, Conflict, StoreUnavailable
from tasks.ledger.schema import metadata

LOCK_SECONDS_MAX = 30  # longer than any write here; a writer that waits this long meets a stuck one
_WRITERS_LOCK = 7_240_117  # any constant: PostgreSQL's advisory lock that one writer holds at a time


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
        _add_new_columns(connection)
    return engine


def _add_new_columns(connection: sa.Connection) -> None:
    """Give a ledger of an earlier version the columns that came later; each has a default."""
    inspector = sa.inspect(connection)
    for table in metadata.sorted_tables:
        present = {column["name"] for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in present:
                written = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {written}")


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
            f"expected the ledger at {engine.url.render_as_string(hide_password=True)} to answer, found: "
            f"{exc.orig}; free space, or see to the database"
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
