"""The cost of the contract on clean days: every day of 2013 as it is."""

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from benchmarks.spoiled.source_year import SourceYear
from benchmarks.spoiled.stores import stores_at, write
from tasks.config.pipeline import Pipeline
from tasks.ingestion.ingest_table import ingest_table
from tasks.ingestion.quarantine import read_notes
from tasks.ingestion.sources import Lookup, open_sources
from tasks.ledger.records import BatchStatus

_CHUNK_DAYS = 31


@dataclass(frozen=True)
class CleanDays:
    """False positives over clean days. `incidents` describes each incident, `quarantined` each quarantined row."""

    days: int
    batches: int
    rejected: int
    rows: int
    rows_quarantined: int
    days_with_incident: int
    incidents: tuple[str, ...]
    quarantined: tuple[str, ...]


def ingest_clean_days(pipeline: Pipeline, year: SourceYear, days: int, scratch: Path) -> CleanDays:
    """Ingest the first `days` days of the year, as the flow does, and count incidents and quarantined rows."""
    first, _ = year.days
    wanted = [first + timedelta(days=index) for index in range(days)]
    with tempfile.TemporaryDirectory(dir=scratch) as folder, stores_at(pipeline, Path(folder), ["primary"]) as stores:
        place = Path(folder)
        for table in pipeline.tables:
            for day in wanted:
                write(place / "primary" / table / f"{day}.csv", year.content(table, day))
        with open_sources(stores.pipeline, Lookup(), place) as chain:
            for start in range(0, days, _CHUNK_DAYS):
                for table in pipeline.tables:
                    ingest_table(stores, chain, table, wanted[start : start + _CHUNK_DAYS])
        records = stores.ledger.batches(pipeline.name)
        incidents = stores.ledger.incidents(pipeline.name, limit=10_000)
        notes = read_notes(stores.quarantine_root)
    return CleanDays(
        days=days,
        batches=len(records),
        rejected=sum(record.status is BatchStatus.REJECTED for record in records),
        rows=sum(record.received for record in records),
        rows_quarantined=sum(record.quarantined for record in records),
        days_with_incident=len({_day(incident.subject) for incident in incidents}),
        incidents=tuple(f"{incident.subject}: {incident.cause}, {incident.summary}" for incident in incidents),
        quarantined=tuple(f"{note.batch_id}: {reason}" for note in notes for reason in note.reasons),
    )


def _day(subject: str) -> date:
    return date.fromisoformat(subject.rpartition("/")[2])
