"""Engine and transactions of the ledger's database, safe for several writers."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from healing.errors import ConfigError, Conflict, StoreUnavailable
from tasks.ledger.revision import bring_to_head

LOCK_SECONDS_MAX = 30.0  # longer than any write here; a writer that waits longer has met a stuck one
_SWITCH_SECONDS = 0.01  # between two tries to switch a new database to write-ahead logging
_ANSWER_EXTRA_SECONDS = 0.5  # a server reports a lock that it did not get before the client gives the server up
_OUTAGE_CLASSES = ("08", "53", "55", "57", "58")  # of SQLSTATE: connection, resources, locks, shutdown, system
_WAIT = "wait_seconds"  # in the query of a ledger's URL, see `bounded`
_WRITERS_LOCK = 7_240_117  # key of PostgreSQL's advisory lock for writers; any constant works


class LedgerUnavailable(StoreUnavailable):
    """The ledger's database cannot be reached, is locked for too long, or does not answer in time."""


def bounded(url: str, seconds: float) -> str:
    """The URL of the same ledger, for a program that waits at most `seconds` for a lock or an answer of it.

    ConfigError for a URL that SQLAlchemy cannot parse.
    """
    return _parsed(url).update_query_dict({_WAIT: f"{seconds:g}"}).render_as_string(hide_password=False)


def open_engine(url: str) -> sa.Engine:
    """An engine whose writing transactions take the write lock at their start. Brings the tables to this version.

    ConfigError for a URL that SQLAlchemy cannot use, or a ledger of a newer version; LedgerUnavailable if the
    database cannot be reached.
    """
    parsed = _parsed(url)
    seconds = float(str(parsed.query.get(_WAIT, LOCK_SECONDS_MAX)))
    try:
        engine = sa.create_engine(
            parsed.difference_update_query([_WAIT]),
            pool_pre_ping=True,  # a restarted server does not fail the next write
            connect_args=_connect_args(parsed, seconds),
        )
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as exc:
        raise _not_usable(exc) from exc
    if engine.dialect.name == "sqlite":
        _prepare_directory(engine)
        event.listen(engine, "connect", partial(_configure_sqlite, lock_seconds=seconds))
        event.listen(engine, "begin", _begin_immediate)
    if engine.dialect.name == "postgresql":
        event.listen(engine, "begin", partial(_begin_serialised, lock_seconds=seconds))
    with transaction(engine) as connection:
        bring_to_head(connection)
    return engine


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as exc:
        raise _not_usable(exc) from exc


def _not_usable(exc: Exception) -> ConfigError:
    return ConfigError(f"expected a SQLAlchemy URL for the ledger, such as sqlite:///var/ledger.db: {exc}")


def _connect_args(url: sa.URL, seconds: float) -> dict[str, float]:
    """What bounds every answer of the server: without it, a server that hangs holds its client for ever."""
    return {"timeout": seconds + _ANSWER_EXTRA_SECONDS} if url.drivername == "postgresql+pg8000" else {}


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction. A violated constraint raises Conflict, a database that does not answer LedgerUnavailable.

    StoreUnavailable for any other error of the database.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError as exc:
        raise Conflict(
            f"another writer committed first ({exc.orig}); read the ledger again, then decide again"
        ) from exc
    except (DBAPIError, OSError) as exc:
        found = exc.orig if isinstance(exc, DBAPIError) else exc
        error = LedgerUnavailable if _is_outage(exc) else StoreUnavailable
        raise error(
            f"expected the ledger at {engine.url.render_as_string(hide_password=True)} to answer, found: "
            f"{found!r}; start the database, free space or repair it"
        ) from exc


def _is_outage(exc: DBAPIError | OSError) -> bool:
    """Whether the database is away or locked, and not the statement wrong. pg8000 has one class for both."""
    if not isinstance(exc, (DataError, ProgrammingError)):
        return True
    details = exc.orig.args[0] if exc.orig is not None and exc.orig.args else None
    return isinstance(details, dict) and str(details.get("C", ""))[:2] in _OUTAGE_CLASSES


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read that never waits for a writer. It raises what `transaction` raises."""
    with transaction(engine.execution_options(reading=True)) as connection:
        yield connection


def _prepare_directory(engine: sa.Engine) -> None:
    database = engine.url.database
    if not database or database == ":memory:":
        raise ConfigError(
            "expected a database file for the ledger, because it must outlive its process; found an in-memory database"
        )
    try:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise LedgerUnavailable(f"expected a writable directory for the ledger {database}, found: {exc}") from exc


def use_write_ahead_log(cursor: Any, lock_seconds: float) -> None:
    """Switch the journal mode, again while another process does so: SQLite answers that at once, without its wait."""
    deadline = time.monotonic() + lock_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() >= deadline:
                raise
            time.sleep(_SWITCH_SECONDS)
        else:
            return


def _configure_sqlite(connection: Any, _record: object, *, lock_seconds: float) -> None:
    """Use write-ahead logging, so that readers never wait for a writer, and disable the driver's own late BEGIN."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(lock_seconds * 1000)}")
    use_write_ahead_log(cursor, lock_seconds)
    cursor.execute("PRAGMA synchronous = FULL")  # a committed attempt survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock first. A transaction that reads and then writes could otherwise fail on a newer snapshot."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_serialised(connection: sa.Connection, *, lock_seconds: float) -> None:
    """Allow one writer at a time, as `BEGIN IMMEDIATE` does in SQLite. Readers do not wait, and see one snapshot.

    Without the lock, two writers that open the same incident at once both find none, and one of them violates the
    unique index.
    """
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(lock_seconds * 1000)}ms'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
