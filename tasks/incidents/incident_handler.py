"""Handles incidents in one run of `heal`: resume, confirm, apply a remedy, until nothing is left to do now."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import BaseModel, ConfigDict

from healing.detectors import FOUND_BY_INGESTION
from healing.diagnosis import CONFIRMED_BY_GATEWAY, Presence, Signals, confirm
from healing.errors import Conflict, Transient
from healing.incident import AttemptOutcome, Cause, Incident, Remedy, Status
from healing.policy import Apply, Escalate, Policy, WaitUntil
from tasks.incidents.policy import decide
from tasks.incidents.remedy_executor import RemedyExecutor
from tasks.incidents.remedy_result import RemedyResult
from tasks.runtime.events import EventName, emit
from tasks.serving.gateway_client import judge_service

log = structlog.get_logger(__name__)

STEPS_MAX = 6  # per incident and run: a confirmation and a few remedies; the next run does the rest
SERVICE_SECONDS_MAX = 1.0  # to observe a few requests; without clients there are none, and the remedy must not wait
INGEST_SECONDS = 60.0  # ingestion treats its own incidents; `heal` starts it after this time without an attempt


class HandledIncident(BaseModel):
    """An incident after a run of `heal`, and what the run did."""

    model_config = ConfigDict(frozen=True)

    id: str
    cause: Cause
    subject: str
    status: Status
    remedies: tuple[Remedy, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class IncidentHandler:
    """Handles one incident. `read_signals` reads the signals anew each time, because remedies change them."""

    executor: RemedyExecutor
    policy: Policy
    read_signals: Callable[[], Signals]
    notes: list[str] = field(default_factory=list)

    def handle(self, incident: Incident) -> HandledIncident:
        """Take every step that is possible now.

        An incident that another run treats, or whose observer does not answer, waits for the next run.
        """
        ledger = self.executor.ledger
        try:
            for _ in range(STEPS_MAX):
                if incident.ended or not self._step(incident):
                    break
                incident = ledger.incident(incident.id)
        except Conflict as exc:
            self._note(incident, f"another run treats it: {exc}")
        except Transient as exc:
            log.warning("incident_waits", incident=incident.id, cause=str(exc))
            self._note(incident, f"waits: {exc}")
        after = ledger.incident(incident.id)
        return HandledIncident(
            id=after.id,
            cause=after.cause,
            subject=after.subject,
            status=after.status,
            remedies=tuple(self.executor.started),
            notes=tuple(self.notes),
        )

    def _step(self, incident: Incident) -> bool:
        """Take the next step. Returns whether another one may be possible now."""
        running = incident.running_attempt
        if running is not None:
            return self._conclude(incident, running.remedy, self.executor.resume(incident, running))
        if any(attempt.outcome is AttemptOutcome.SUCCEEDED for attempt in incident.attempts):
            return self._recover(incident, "a remedy succeeded before this run")  # killed between the two writes
        if incident.cause in FOUND_BY_INGESTION and not _ingestion_is_silent(incident):
            self._note(incident, "ingestion is treating it")
            return False
        return self._confirm(incident)

    def _confirm(self, incident: Incident) -> bool:
        """Confirm that the problem is present now; only then apply a remedy."""
        confirmation = confirm(incident, self.read_signals())
        if confirmation.presence is Presence.ABSENT:
            return self._close_absent(incident, confirmation.reason)
        if confirmation.presence is Presence.INCONCLUSIVE:
            self._note(incident, confirmation.reason)
            return False
        if incident.status is Status.OPEN:
            self.executor.ledger.set_status(incident.id, Status.DIAGNOSED, confirmation.reason)
            self._record_mitigation(incident)
            return True
        return self._follow_policy(incident)

    def _record_mitigation(self, incident: Incident) -> None:
        """Record that the gateway answers its clients meanwhile, if a fallback does."""
        operate = self.executor.settings.addresses().operate
        if incident.cause not in CONFIRMED_BY_GATEWAY or operate is None:
            return
        service = judge_service(operate, SERVICE_SECONDS_MAX)
        if service.passed:
            self.executor.ledger.mark_mitigated(incident.id, f"clients are answered meanwhile: {service.reason}")

    def _follow_policy(self, incident: Incident) -> bool:
        match decide(incident, self.policy, self.executor.ledger):
            case WaitUntil(until, reason):
                self._note(incident, f"{reason}, until {until:%H:%M:%S}")
                return False
            case Escalate(reason):
                return self._escalate(incident, reason)
            case Apply(remedy):
                return self._conclude(incident, remedy, self.executor.apply(incident, remedy))

    def _conclude(self, incident: Incident, remedy: Remedy, result: RemedyResult) -> bool:
        """Close the incident if the remedy worked; let another step follow if it did not."""
        self._note(incident, f"{remedy} {result.outcome}: {result.note}")
        if result.outcome is AttemptOutcome.RUNNING:
            return False
        if result.outcome is AttemptOutcome.SUCCEEDED:
            return self._recover(incident, result.note)
        return True

    def _close_absent(self, incident: Incident, reason: str) -> bool:
        """Dismiss an incident that was never confirmed. A confirmed one has recovered."""
        if incident.status is not Status.OPEN:
            return self._recover(incident, f"gone without a further remedy: {reason}")
        return self._close(incident, Status.DISMISSED, EventName.INCIDENT_DISMISSED, reason)

    def _recover(self, incident: Incident, reason: str) -> bool:
        return self._close(incident, Status.RECOVERED, EventName.INCIDENT_RECOVERED, reason)

    def _escalate(self, incident: Incident, reason: str) -> bool:
        self.executor.escalate(incident, reason)
        return self._close(incident, Status.ESCALATED, EventName.INCIDENT_ESCALATED, reason)

    def _close(self, incident: Incident, status: Status, event: EventName, reason: str) -> bool:
        """Record the end of the incident and announce it. No step follows."""
        self.executor.ledger.set_status(incident.id, status, reason)
        self._note(incident, f"{status}: {reason}")
        facts = {"cause": incident.cause.value, "subject": incident.subject, "summary": reason}
        emit(event, incident.pipeline, {**facts, "incident_id": incident.id})
        return False

    def _note(self, incident: Incident, note: str) -> None:
        log.info("incident_handled", incident=incident.id, cause=incident.cause, note=note)
        self.notes.append(note)


def _ingestion_is_silent(incident: Incident) -> bool:
    """Whether ingestion has made no attempt for INGEST_SECONDS."""
    times = [incident.detected_at, *(a.ended_at or a.started_at for a in incident.attempts)]
    return datetime.now(UTC) - max(times) > timedelta(seconds=INGEST_SECONDS)
