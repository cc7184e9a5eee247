"""A challenger that did harm is an incident, and its leaving is what heals it."""

import structlog

from healing.errors import Conflict
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.promotion import Exposure
from healing.release import ModelRef, Release
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName, emit, payload_of

log = structlog.get_logger(__name__)


def record_bad_candidate(ledger_dsn: str, ended: Release, model: ModelRef, reason: str, exposure: Exposure) -> None:
    """One incident a candidate, open and shut: detected by the guard, healed by the abort in `ended`.

    `heal` may be at it too, woken by the gateway's event: then its attempt stands, and it closes the incident.
    """
    evidence = Evidence(
        pipeline=ended.pipeline,
        cause=Cause.BAD_CANDIDATE,
        subject=model.digest,
        observer=ended.author,
        observed_at=ended.created_at,
        summary=f"challenger {model.version} aborted: {reason}",
        facts={"requests": exposure.requests, "errors": exposure.errors, "generation": ended.generation},
    )
    with Ledger(ledger_dsn) as ledger:
        incident = ledger.record_evidence(evidence, status=Status.DIAGNOSED)
        if incident.ended:
            return
        try:
            if incident.status is Status.OPEN:
                ledger.set_status(incident.id, Status.DIAGNOSED, "its trial was aborted")
            attempt = ledger.start_attempt(incident.id, Remedy.ABORT_CANARY)
        except Conflict as exc:
            log.info("incident_in_other_hands", incident=incident.id, cause=str(exc))
            return
        ledger.mark_mitigated(incident.id, "the challenger gets no traffic")
        note = f"generation {ended.generation} by {ended.author}"
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED, note)
        ledger.set_status(incident.id, Status.RECOVERED, note)
    emit(EventName.INCIDENT_RECOVERED, ended.pipeline, {**payload_of(evidence), "incident_id": incident.id})
