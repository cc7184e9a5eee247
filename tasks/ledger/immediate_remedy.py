"""A remedy that the code which found the problem applies itself, with its attempt in the ledger."""

from collections.abc import Iterator
from contextlib import contextmanager

from healing.errors import Conflict
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Incident, Remedy, Status
from tasks.ledger.store import Ledger

_TAKEN_OVER = "ingestion has started, and treats the incident itself"
_LOST = "the run that carried this attempt ended without recording a result"


@contextmanager
def immediate_remedy(
    ledger: Ledger, evidence: Evidence, remedy: Remedy, run_id: str | None = None, ends: Status = Status.RECOVERED
) -> Iterator[Incident]:
    """Record an attempt of `remedy` around the block, and yield the incident of `evidence`.

    The incident ends as `ends` if the block succeeds. ESCALATED is for a remedy that prevents damage while a person
    still has to supply what is missing. If the block raises, the attempt is recorded as failed and the incident stays
    unfinished, for the next run of the flow or for `heal`.
    """
    incident = ledger.record_evidence(evidence, status=Status.DIAGNOSED)
    if incident.status is Status.ESCALATED:  # people know of it; a remedy that works now ends it all the same
        yield incident
        ledger.set_status(incident.id, ends, evidence.summary)
        return
    if incident.status is Status.OPEN:
        incident = ledger.set_status(incident.id, Status.DIAGNOSED, evidence.summary)
    end_lost_attempt(ledger, incident)
    attempt = ledger.start_attempt(incident.id, remedy, run_id)
    try:
        yield incident
    except BaseException as exc:
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        raise
    ledger.finish_and_close(incident.id, attempt.number, ends, evidence.summary)


def end_lost_attempt(ledger: Ledger, incident: Incident) -> None:
    """Record an attempt that a killed run left running as failed.

    Only one ingest runs at a time, so a running attempt cannot be that of another live ingest.
    """
    running = incident.running_attempt
    if running is None:
        return
    try:
        note = _LOST if running.lease_token is None else _TAKEN_OVER
        ledger.finish_attempt(incident.id, running.number, AttemptOutcome.FAILED, note)
    except Conflict:  # another process recorded its end first
        return
