"""When runs of `ingest` started and ended, as the journal has it: whether ingestion happens at all."""

from collections.abc import Callable, Mapping
from datetime import datetime

from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger

STARTED = "ingest.started"
FINISHED = "ingest.finished"
FAILED = "ingest.failed"
SCHEDULE = "schedule"  # subject of the incident about an ingest that was due and that nobody started


def record_start(ledger: Ledger, pipeline: str, run_id: str | None) -> None:
    """Record that a run has opened its stores and begins to ask its sources."""
    ledger.record_entry(pipeline, STARTED, run_id or "")


def record_end(
    ledger: Ledger,
    pipeline: str,
    run_id: str | None,
    batches: int,
    seconds_per_batch: Mapping[str, float] | None = None,
) -> None:
    """Record that a run ended without an error, its number of batches, and the median fetch time of each source."""
    detail = {"batches": batches, "seconds_per_batch": dict(seconds_per_batch or {})}
    ledger.record_entry(pipeline, FINISHED, run_id or "", detail)


def failure_recorder(ledger: Ledger, pipeline: str, run_id: str | None) -> Callable[..., None]:
    """An exit callback for a context stack, which records that the run ended with an error."""

    def record(_: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            detail = {"error": f"{type(error).__name__}: {error}"}
            ledger.record_entry(pipeline, FAILED, run_id or "", detail)

    return record


def unended_start(ledger: Ledger, pipeline: str) -> JournalEntry | None:
    """The start of the last run if no end of it is on record: it still runs, or its process was killed.

    Only one run has the stores at a time, so a later end is that of the last start.
    """
    started = next(iter(ledger.entries(pipeline, STARTED, limit=1)), None)
    ends = [entry.id for kind in (FINISHED, FAILED) for entry in ledger.entries(pipeline, kind, limit=1)]
    return None if started is None or max(ends, default=0) > started.id else started


def fetch_seconds(ledger: Ledger, pipeline: str, runs_max: int) -> list[dict[str, float]]:
    """The median fetch time per batch of each source, one entry per run, the latest first."""
    found = [entry.detail.get("seconds_per_batch") for entry in ledger.entries(pipeline, FINISHED, limit=runs_max)]
    return [{str(name): float(seconds) for name, seconds in each.items()} for each in found if isinstance(each, dict)]


def started_since(ledger: Ledger, pipeline: str, since: datetime) -> bool:
    """Whether a run started at `since` or later."""
    return _recorded_since(ledger, pipeline, STARTED, since)


def finished_since(ledger: Ledger, pipeline: str, since: datetime) -> bool:
    """Whether a run ended without an error at `since` or later."""
    return _recorded_since(ledger, pipeline, FINISHED, since)


def _recorded_since(ledger: Ledger, pipeline: str, kind: str, since: datetime) -> bool:
    return any(entry.at >= since for entry in ledger.entries(pipeline, kind, limit=1))
