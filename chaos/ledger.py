"""Reads the journal of the ledger from outside: the system's own record of incidents and remedies."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from chaos.record import LedgerEntry

__all__ = ["last_day", "last_id", "leader_pid", "read_after", "unfinished"]

BUSY_SECONDS = 10.0
_NS = 1e9


def last_id(path: Path) -> int:
    """The highest id in the journal, 0 when it is empty. Ids are never reused."""
    with closing(_open(path)) as connection:
        (highest,) = connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()
    return int(highest)


def last_day(path: Path, pipeline: str) -> date | None:
    """The last day of which a batch was recorded; None without any."""
    with closing(_open(path)) as connection:
        (day,) = connection.execute("SELECT max(day) FROM batches WHERE pipeline = ?", (pipeline,)).fetchone()
    return None if day is None else date.fromisoformat(day)


def read_after(path: Path, after_id: int, pipeline: str) -> list[LedgerEntry]:
    """The pipeline's entries after `after_id`, in order. sqlite3.OperationalError when the ledger cannot be read."""
    with closing(_open(path)) as connection:
        rows = connection.execute(
            "SELECT at_monotonic_ns, kind, subject, detail FROM journal WHERE id > ? AND pipeline = ? ORDER BY id",
            (after_id, pipeline),
        ).fetchall()
    return [LedgerEntry(at / _NS, kind, subject, json.loads(detail)) for at, kind, subject, detail in rows]


def unfinished(path: Path, pipeline: str) -> list[str]:
    """Causes of the pipeline's incidents that have not ended."""
    with closing(_open(path)) as connection:
        rows = connection.execute(
            "SELECT cause FROM incidents WHERE pipeline = ? AND ended_at IS NULL ORDER BY detected_at", (pipeline,)
        ).fetchall()
    return [cause for (cause,) in rows]


def leader_pid(path: Path, pipeline: str) -> int | None:
    """The process id of the healer that leads, which ends the name of the lease's holder; None when none leads."""
    with closing(_open(path)) as connection:
        row = connection.execute("SELECT holder FROM leases WHERE name = ?", (f"healer/{pipeline}",)).fetchone()
    pid = "" if row is None else row[0].rpartition("/")[2]
    return int(pid) if pid.isdigit() else None


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
