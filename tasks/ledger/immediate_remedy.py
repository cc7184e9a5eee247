"""A remedy that its finder applies at once, on record in the ledger from before it starts until after it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from healing.errors import Conflict
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Incident, Remedy, Status
from tasks.ledger.ledger import Ledger

_LOST = "the run that carried this attempt ended without a word"


@contextmanager
def remedied(
    ledger: Ledger, evidence: Evidence, remedy: Remedy, run_id: str | None = None, ends: Status = Status.RECOVERED
) -> Iterator[Incident]:
    """The incident of `evidence` while `remedy` is applied in the block; it ends as `ends` when the block ends well.

    `ends` is ESCALATED where the remedy keeps harm away and a person still has to bring back what is missing.
    When the block raises, the attempt is written down as failed and the incident stays unfinished, for the next run of
    the flow or for `heal`.
    """
    incident = ledger.observe(evidence, status=Status.DIAGNOSED)
    if incident.status is Status.OPEN:
        incident = ledger.set_status(incident.id, Status.DIAGNOSED, evidence.summary)
    end_lost_attempt(ledger, incident)
    attempt = ledger.start_attempt(incident.id, remedy, run_id)
    try:
        yield incident
    except BaseException as exc:
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        raise
    ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED)
    ledger.mitigated(incident.id)
    ledger.set_status(incident.id, ends, evidence.summary)


def end_lost_attempt(ledger: Ledger, incident: Incident) -> None:
    """Close an attempt that a killed run left open. Only one ingest runs at a time, so whoever asks is not it."""
    running = incident.running_attempt
    if running is None:
        return
    try:
        ledger.finish_attempt(incident.id, running.number, AttemptOutcome.FAILED, _LOST)
    except Conflict:  # somebody else closed it in the meantime, which is what was wanted
        return
