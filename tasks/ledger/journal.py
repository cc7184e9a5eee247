"""The journal: one entry per change of the ledger, in the order of writing."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

import sqlalchemy as sa

from tasks.ledger import schema
from tasks.ledger.database import open_engine, snapshot, transaction
from tasks.ledger.records import JournalEntry


def utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """The ledger's database and its journal. The tables are created on first use.

    Cheap to open, and safe to share between threads.
    """

    def __init__(self, url: str, *, now: Callable[[], datetime] = utc_now, engine: sa.Engine | None = None) -> None:
        """`engine` is one of the caller, such as one that only reads; then no table is created."""
        self._engine = open_engine(url) if engine is None else engine
        self._now = now

    def close(self) -> None:
        """Close the connections. The ledger may be used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record_entry(self, pipeline: str, kind: str, subject: str, detail: Mapping[str, object] | None = None) -> None:
        """Record an event whose state is stored elsewhere: a release, a training, a switch of source."""
        with transaction(self._engine) as connection:
            self._write_entry(connection, pipeline, kind, subject, detail or {})

    def entries(self, pipeline: str, kind: str, limit: int = 50) -> list[JournalEntry]:
        """The last journal entries of one kind, newest first."""
        table = schema.journal
        query = table.select().where(table.c.pipeline == pipeline, table.c.kind == kind)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
            return [journal_entry(row) for row in rows.mappings()]

    def entries_about(self, pipeline: str, subject: str) -> list[JournalEntry]:
        """The entries about an incident, its attempts and their approvals, oldest first."""
        table = schema.journal
        about = sa.or_(*(table.c.kind.startswith(f"{noun}.") for noun in ("incident", "attempt", "approval")))
        query = table.select().where(table.c.pipeline == pipeline, about, table.c.subject == subject)
        with snapshot(self._engine) as connection:
            return [journal_entry(row) for row in connection.execute(query.order_by(table.c.id)).mappings()]

    def timeline(self, pipeline: str | None = None, after_id: int = 0, limit: int = 1000) -> list[JournalEntry]:
        """Entries after entry `after_id`, oldest first; those of every pipeline if `pipeline` is None."""
        table = schema.journal
        query = table.select().where(table.c.id > after_id).order_by(table.c.id).limit(limit)
        if pipeline is not None:
            query = query.where(table.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return [journal_entry(row) for row in connection.execute(query).mappings()]

    def _write_entry(
        self, connection: sa.Connection, pipeline: str, kind: str, subject: str, detail: Mapping[str, object]
    ) -> None:
        self._write_entries(connection, kind, [(pipeline, subject, detail)])

    def _write_entries(
        self, connection: sa.Connection, kind: str, entries: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> None:
        """Write one entry per (pipeline, subject, detail), in this order, as part of the caller's transaction."""
        rows = [
            {
                "at_utc": self._now(),
                "at_monotonic_ns": time.monotonic_ns(),
                "pipeline": pipeline,
                "kind": kind,
                "subject": subject,
                "detail": dict(detail),
            }
            for pipeline, subject, detail in entries
        ]
        connection.execute(schema.journal.insert(), rows)


def journal_entry(row: sa.RowMapping) -> JournalEntry:
    """The entry in a row of the journal's table."""
    return JournalEntry(
        id=row["id"],
        at=row["at_utc"],
        at_monotonic_ns=row["at_monotonic_ns"],
        pipeline=row["pipeline"],
        kind=row["kind"],
        subject=row["subject"],
        detail=row["detail"],
    )
