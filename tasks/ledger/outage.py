"""An outage of the ledger: notes that a healer keeps in a local ledger meanwhile, and their merge afterwards.

The local ledger has the same tables. While the ledger answers, it holds copies of the recent incidents; during an
outage, what the healer does. The merge is one transaction that also records how far it got, so a repetition adds
nothing.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from healing.incident import Status
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.incident_copies import IncidentCopy, join_copy, read_copies, write_copies
from tasks.ledger.journal import Journal, journal_entry
from tasks.ledger.records import JournalEntry

UNREACHABLE = "ledger.unreachable"  # the subject is the id of the outage
MERGED = "ledger.merged"
_ONCE = frozenset({"release.committed"})  # others may have recorded the same subject meanwhile
_RECENT = timedelta(days=1)  # the longest time over which budgets count
_COPIES_MAX = 200


def offline_ledger_file(home: Path, pipeline: str) -> Path:
    """Where the healer of the pipeline keeps its local ledger."""
    return home / "healer" / f"{pipeline}.offline-ledger.db"


@dataclass(frozen=True, slots=True)
class OutageNotes:
    """What a healer recorded during one outage: journal entries, oldest first, and the incidents that they change."""

    outage: str
    began: datetime
    entries: tuple[JournalEntry, ...]
    copies: tuple[IncidentCopy, ...]


class OutageStore(Journal):
    """The part of the ledger that survives an outage: copies and notes on the local side, the merge on the other."""

    def last_entry_id(self) -> int:
        """The id of the newest journal entry, 0 without one. It changes with every change of an incident."""
        with snapshot(self._engine) as connection:
            return connection.scalar(sa.select(sa.func.max(schema.journal.c.id))) or 0

    def recent_copies(self, pipeline: str) -> tuple[IncidentCopy, ...]:
        """Incidents that are unfinished or escalated, and those of the last day, which budgets count."""
        table = schema.incidents
        recent = sa.or_(
            table.c.ended_at.is_(None),
            table.c.ended_at >= self._now() - _RECENT,
            table.c.status == Status.ESCALATED.value,
        )
        query = sa.select(table.c.id).where(table.c.pipeline == pipeline, recent)
        with snapshot(self._engine) as connection:
            ids = connection.scalars(query.order_by(table.c.detected_at.desc()).limit(_COPIES_MAX)).all()
            return read_copies(connection, ids)

    def replace_all(self, copies: Sequence[IncidentCopy]) -> None:
        """Forget everything on record here, notes too, and hold these copies. For a local ledger only."""
        with transaction(self._engine) as connection:
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(table.delete())
            write_copies(connection, copies)

    def begin_outage(self, pipeline: str, reason: str) -> None:
        """Record that notes begin, unless an earlier outage was not merged yet: then it goes on."""
        if self.notes(pipeline) is None:
            self.record_entry(pipeline, UNREACHABLE, str(uuid.uuid4()), {"reason": reason})

    def notes(self, pipeline: str) -> OutageNotes | None:
        """The notes on record here; None without any."""
        table = schema.journal
        with snapshot(self._engine) as connection:
            began = connection.execute(
                table.select().where(table.c.pipeline == pipeline, table.c.kind == UNREACHABLE).order_by(table.c.id)
            )
            first = began.mappings().first()
            if first is None:
                return None
            query = table.select().where(table.c.pipeline == pipeline, table.c.id >= first["id"]).order_by(table.c.id)
            entries = tuple(journal_entry(row) for row in connection.execute(query).mappings())
            copies = read_copies(connection, {entry.subject for entry in entries})
        return OutageNotes(first["subject"], first["at_utc"], entries, copies)

    def merge(self, notes: OutageNotes) -> int:
        """Add the notes of an outage, in one transaction; returns how many entries were new.

        An incident that is open on both sides becomes one. A repeated merge of the same notes adds nothing.
        """
        pipeline = notes.entries[0].pipeline
        with transaction(self._engine) as connection:
            until, joined = _merged_before(connection, pipeline, notes.outage)
            entries = [entry for entry in notes.entries if entry.id > until]
            if not entries:
                return 0
            touched = {entry.subject for entry in entries}
            for copy in notes.copies:
                if copy.id in touched:
                    joined[copy.id] = join_copy(connection, copy, joined.get(copy.id, copy.id), notes.began)
            _copy_entries(connection, entries, joined)
            detail = {"until": entries[-1].id, "joined": joined, "entries": len(entries)}
            self._write_entry(connection, pipeline, MERGED, notes.outage, detail)
        return len(entries)


def _merged_before(connection: sa.Connection, pipeline: str, outage: str) -> tuple[int, dict[str, str]]:
    """The last entry of the outage that was merged, and which incident each of its incidents became."""
    table = schema.journal
    same = (table.c.pipeline == pipeline, table.c.kind == MERGED, table.c.subject == outage)
    detail = connection.scalars(sa.select(table.c.detail).where(*same).order_by(table.c.id.desc())).first()
    if detail is None:
        return 0, {}
    return int(detail["until"]), dict(cast("Mapping[str, str]", detail["joined"]))


def _copy_entries(connection: sa.Connection, entries: Sequence[JournalEntry], joined: Mapping[str, str]) -> None:
    """Add the entries with their own times, under the ids that their incidents have in this ledger."""
    table = schema.journal
    for entry in entries:
        same = (table.c.pipeline == entry.pipeline, table.c.kind == entry.kind, table.c.subject == entry.subject)
        if entry.kind in _ONCE and connection.scalars(sa.select(table.c.id).where(*same)).first() is not None:
            continue
        connection.execute(
            table.insert().values(
                at_utc=entry.at,
                at_monotonic_ns=entry.at_monotonic_ns,
                pipeline=entry.pipeline,
                kind=entry.kind,
                subject=joined.get(entry.subject, entry.subject),
                detail={**entry.detail, "recorded": "offline"},
            )
        )
