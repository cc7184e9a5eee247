"""When runs of `ingest` started and ended, as the journal has it: whether ingestion happens at all."""

from datetime import datetime

from tasks.ledger.store import Ledger

STARTED = "ingest.started"
FINISHED = "ingest.finished"
SCHEDULE = "schedule"  # subject of the incident about an ingest that was due and that nobody started


def record_start(ledger: Ledger, pipeline: str, run_id: str | None) -> None:
    """Record that a run has opened its stores and begins to ask its sources."""
    ledger.record_entry(pipeline, STARTED, run_id or "")


def record_end(ledger: Ledger, pipeline: str, run_id: str | None, batches: int) -> None:
    """Record that a run has come to its end, with the number of batches that it recorded."""
    ledger.record_entry(pipeline, FINISHED, run_id or "", {"batches": batches})


def started_since(ledger: Ledger, pipeline: str, since: datetime) -> bool:
    """Whether a run started at `since` or later."""
    return _recorded_since(ledger, pipeline, STARTED, since)


def finished_since(ledger: Ledger, pipeline: str, since: datetime) -> bool:
    """Whether a run came to its end at `since` or later."""
    return _recorded_since(ledger, pipeline, FINISHED, since)


def _recorded_since(ledger: Ledger, pipeline: str, kind: str, since: datetime) -> bool:
    return any(entry.at >= since for entry in ledger.entries(pipeline, kind, limit=1))
