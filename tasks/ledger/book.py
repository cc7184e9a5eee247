"""The journal, and what every part of the ledger has: a database, a clock, and one way to write what changed."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

import sqlalchemy as sa

from tasks.ledger import schema
from tasks.ledger.database import open_engine, snapshot, transaction
from tasks.ledger.records import JournalEntry
from tasks.ledger.rows import journal_entry


def utc_now() -> datetime:
    return datetime.now(UTC)


class Book:
    """A database with a journal; its tables are created on first use. Cheap to open, safe to share by threads."""

    def __init__(self, url: str, *, now: Callable[[], datetime] = utc_now) -> None:
        self._engine = open_engine(url)
        self._now = now

    def close(self) -> None:
        """Give back the connections; the ledger may be used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, pipeline: str, kind: str, subject: str, detail: Mapping[str, object] | None = None) -> None:
        """Write to the timeline what is kept elsewhere: a release, a training, a switch of source."""
        with transaction(self._engine) as connection:
            self._write(connection, pipeline, kind, subject, detail or {})

    def noted(self, pipeline: str, kind: str, limit: int = 50) -> list[JournalEntry]:
        """The last journal entries of one kind, newest first."""
        table = schema.journal
        query = table.select().where(table.c.pipeline == pipeline, table.c.kind == kind)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
            return [journal_entry(row) for row in rows.mappings()]

    def timeline(self, pipeline: str | None = None, after_id: int = 0, limit: int = 1000) -> list[JournalEntry]:
        """What happened after entry `after_id`, oldest first; of every pipeline when none is named."""
        table = schema.journal
        query = table.select().where(table.c.id > after_id).order_by(table.c.id).limit(limit)
        if pipeline is not None:
            query = query.where(table.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return [journal_entry(row) for row in connection.execute(query).mappings()]

    def _write(
        self, connection: sa.Connection, pipeline: str, kind: str, subject: str, detail: Mapping[str, object]
    ) -> None:
        self._write_all(connection, kind, [(pipeline, subject, detail)])

    def _write_all(
        self, connection: sa.Connection, kind: str, entries: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> None:
        """One entry for each pipeline, subject and detail, in their order."""
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
