"""Reads the journal of the ledger from outside: the system's own record of incidents and remedies.

A ledger is a SQLite file, or a SQLAlchemy URL of SQLite or PostgreSQL without a password, which the active target
names by reference.
"""

import json
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from chaos.record import LedgerEntry
from chaos.staging.credentials import ledger_password

__all__ = ["LedgerUnreadable", "last_day", "last_id", "leader_pid", "read_after", "sqlite_file", "unfinished"]

Ledger = Path | str
BUSY_SECONDS = 10.0
POSTGRESQL = "postgresql+pg8000"
_NS = 1e9


class LedgerUnreadable(RuntimeError):
    """The ledger is away, is locked for longer than BUSY_SECONDS, or has no journal."""


def last_id(ledger: Ledger) -> int:
    """The highest id in the journal, 0 when it is empty. Ids are never reused."""
    [(highest,)] = _select(ledger, "SELECT coalesce(max(id), 0) FROM journal")
    return int(highest)


def last_day(ledger: Ledger, pipeline: str) -> date | None:
    """The last day of which a batch was recorded; None without any."""
    [(day,)] = _select(ledger, "SELECT max(day) FROM batches WHERE pipeline = :pipeline", pipeline=pipeline)
    return date.fromisoformat(day) if isinstance(day, str) else day


def read_after(ledger: Ledger, after_id: int, pipeline: str, *, by_wall_clock: bool = False) -> list[LedgerEntry]:
    """The pipeline's entries after `after_id`, in order. LedgerUnreadable when it cannot be read.

    The monotonic clock of another machine says nothing here: `by_wall_clock` places each entry by its UTC time, which
    is as exact as both machines' clocks agree.
    """
    rows = _select(
        ledger,
        "SELECT at_utc, at_monotonic_ns, kind, subject, detail FROM journal "
        "WHERE id > :after_id AND pipeline = :pipeline ORDER BY id",
        after_id=after_id,
        pipeline=pipeline,
    )
    return [
        LedgerEntry(
            _from_wall_clock(at_utc) if by_wall_clock else monotonic_ns / _NS,
            kind,
            subject,
            json.loads(detail) if isinstance(detail, str) else detail,
        )
        for at_utc, monotonic_ns, kind, subject, detail in rows
    ]


def unfinished(ledger: Ledger, pipeline: str) -> list[str]:
    """Causes of the pipeline's incidents that have not ended."""
    rows = _select(
        ledger,
        "SELECT cause FROM incidents WHERE pipeline = :pipeline AND ended_at IS NULL ORDER BY detected_at",
        pipeline=pipeline,
    )
    return [cause for (cause,) in rows]


def leader_pid(ledger: Ledger, pipeline: str) -> int | None:
    """The process id of the healer that leads, which ends the name of the lease's holder; None when none leads."""
    rows = _select(ledger, "SELECT holder FROM leases WHERE name = :name", name=f"healer/{pipeline}")
    pid = rows[0][0].rpartition("/")[2] if rows else ""
    return int(pid) if pid.isdigit() else None


def sqlite_file(ledger: Ledger) -> Path | None:
    """The file of a ledger in SQLite; None for one on a server."""
    if isinstance(ledger, Path):
        return ledger
    url = sa.make_url(ledger)
    return Path(url.database) if url.drivername == "sqlite" and url.database else None


def _select(ledger: Ledger, statement: str, **values: Any) -> Sequence[Any]:
    try:
        engine = _engine(ledger)
        with engine.connect() as connection:
            return connection.execute(sa.text(statement), values).all()
    except (SQLAlchemyError, OSError) as exc:
        cause = exc.__cause__ or exc  # SQLAlchemy's own text repeats the statement
        raise LedgerUnreadable(f"expected a ledger that can be read, found {cause!r}") from exc


def _engine(ledger: Ledger) -> sa.Engine:
    """A new engine without a pool: a drill asks rarely, and must notice a server that went away."""
    file = sqlite_file(ledger)
    if file is not None:
        url = f"sqlite:///{file.resolve().as_uri()}?mode=ro&uri=true"
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": BUSY_SECONDS})
    parsed = sa.make_url(str(ledger)).set(drivername=POSTGRESQL)
    password = ledger_password()
    if password is not None:
        parsed = parsed.set(password=password)
    return sa.create_engine(parsed, poolclass=sa.NullPool, connect_args={"timeout": BUSY_SECONDS})


def _from_wall_clock(at_utc: str | datetime) -> float:
    """The moment on this machine's monotonic clock. SQLite keeps times as text in UTC, without a zone."""
    moment = datetime.fromisoformat(at_utc) if isinstance(at_utc, str) else at_utc
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return time.monotonic() - (time.time() - moment.timestamp())
