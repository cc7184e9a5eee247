"""Carries out one step of an incident's plan. Every change is in the ledger before and after the side effect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from healing.diagnosis import CONFIRMED_BY_GATEWAY, Confirmation, ProblemKey
from healing.errors import AutopilotError
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy, Status
from healing.moment import Moment
from healing.slo import AnswerCounts
from healing.steps import (
    AskApproval,
    Cancel,
    Confirm,
    Dismiss,
    Escalate,
    Finish,
    Recover,
    Remind,
    Resume,
    Start,
    Step,
    Verify,
    Wait,
)
from healing.verdict import Outcome, Verdict
from tasks.config.alert_routing import AlertRouting
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.incident_traces import trace_attempt, trace_incident
from tasks.incidents.incident_view import Memory
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_registry import find_remedy, implementation_of
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.database import LedgerUnavailable
from tasks.ledger.store import Ledger
from tasks.runtime import crash_points
from tasks.runtime.alerts import notify_over, request_approval
from tasks.runtime.events import EventName, emit
from tasks.runtime.flow_runs import cancel_run

log = structlog.get_logger(__name__)

_EVENTS = {
    Status.DISMISSED: EventName.INCIDENT_DISMISSED,
    Status.RECOVERED: EventName.INCIDENT_RECOVERED,
    Status.ESCALATED: EventName.INCIDENT_ESCALATED,
}


@dataclass(slots=True)
class StepExecutor:
    """Executes steps. `token` is that of this process's lease, `started` the remedies that it has started."""

    settings: Settings
    ledger: Ledger
    runner: FlowRunner
    memory: Memory
    token: int | None = None
    routing: AlertRouting = field(default_factory=AlertRouting)
    started: dict[str, list[Remedy]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    probed: Mapping[ProblemKey, Confirmation] = field(default_factory=dict)  # what the signals of this step say
    served: AnswerCounts | None = None  # by the gateway, as the signals of this step say

    def execute(self, incident: Incident, step: Step, now: Moment) -> None:  # noqa: C901 - one case per step
        """Carry the step out. Conflict if another process changed the incident first, Transient if it cannot be now."""
        self._record_mitigation(incident)
        match step:
            case Wait(reason):
                self._note(incident, reason)
            case Confirm(reason):
                self.ledger.set_status(incident.id, Status.DIAGNOSED, reason)
                if incident.cause in CONFIRMED_BY_GATEWAY:
                    self.memory.mitigation.begin(incident.id, self.served)
            case Dismiss(reason):
                self._close(incident, Status.DISMISSED, reason)
            case Recover(reason):
                self._recover(incident, reason)
            case AskApproval(number, remedy):
                self._ask_approval(incident, number, remedy, now)
            case Start(remedy):
                self._start(incident, remedy, now)
            case Resume(number):
                self._resume(incident, _numbered(incident, number))
            case Cancel(number, reason):
                self._cancel(incident, _numbered(incident, number), reason)
            case Verify(number):
                self._verify(incident, _numbered(incident, number), now)
            case Finish(number, outcome, reason):
                self._finish(incident, _numbered(incident, number), RemedyResult(outcome, reason))
            case Escalate(reason) | Remind(reason):
                self._escalate(incident, reason, now)

    def _start(self, incident: Incident, remedy: Remedy, now: Moment) -> None:
        """Record the attempt, then apply the remedy."""
        self.memory.forget_verification(incident)
        attempt = self.ledger.start_attempt(incident.id, remedy, started_on=now, lease_token=self.token)
        self.started.setdefault(incident.id, []).append(remedy)
        crash_points.reached("heal.attempt_started", remedy=remedy)
        log.info("remedy_started", incident=incident.id, cause=incident.cause, remedy=remedy, attempt=attempt.number)
        action = find_remedy(remedy, incident.cause)
        if action is None:
            note = f"{remedy} cannot treat {incident.cause}; remove it from the policy"
            self._finish(incident, attempt, RemedyResult(AttemptOutcome.FUTILE, note))
        else:
            self._apply(incident, attempt, action)

    def _apply(self, incident: Incident, attempt: Attempt, action: RemedyAction) -> None:
        """Apply the remedy, for the first time or again, and record that verification begins, or its result."""
        try:
            result = action.apply(self._context(incident, attempt))
        except LedgerUnavailable:  # nothing can be recorded, so the attempt stays as it is and is resumed
            raise
        except AutopilotError as exc:
            result = RemedyResult(AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        except Exception as exc:  # a defect counts as an attempt; else it would be repeated for ever
            log.exception("remedy_failed", incident=incident.id, remedy=attempt.remedy)
            result = RemedyResult(AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        crash_points.reached("heal.remedy_applied", remedy=attempt.remedy)
        self._record(incident, attempt, result)

    def _resume(self, incident: Incident, attempt: Attempt) -> None:
        """Continue an attempt whose carrier is lost."""
        self.memory.forget_verification(incident)
        action = find_remedy(attempt.remedy, incident.cause) or implementation_of(attempt.remedy)
        result = action.resume(self._context(incident, attempt), AttemptRun(attempt))
        if result is None:
            log.info("remedy_repeated", incident=incident.id, remedy=attempt.remedy, attempt=attempt.number)
            self._apply(incident, attempt, action)
        else:
            self._record(incident, attempt, result)

    def _record(self, incident: Incident, attempt: Attempt, result: RemedyResult) -> None:
        """Record what applying or resuming came to: a run that carries on, an applied remedy, or the attempt's end."""
        self._note(incident, f"{attempt.remedy} {result.outcome}: {result.note}")
        match result.outcome:
            case AttemptOutcome.RUNNING:
                if result.flow_run_id is not None:
                    self.ledger.attach_run(incident.id, attempt.number, result.flow_run_id)
            case AttemptOutcome.SUCCEEDED:
                self.ledger.mark_applied(incident.id, attempt.number, result.note)
                crash_points.reached("heal.applied_recorded", remedy=attempt.remedy)
            case AttemptOutcome.FAILED | AttemptOutcome.FUTILE:
                self._finish(incident, attempt, result)

    def _verify(self, incident: Incident, attempt: Attempt, now: Moment) -> None:
        """Observe the service once, from outside."""
        action = find_remedy(attempt.remedy, incident.cause) or implementation_of(attempt.remedy)
        try:
            verdict = action.observe(self._context(incident, attempt))
        except AutopilotError as exc:
            verdict = Verdict("service", Outcome.INCONCLUSIVE, f"{type(exc).__name__}: {exc}", 0)
        self.memory.record_verdict(incident, verdict, now)
        if verdict.outcome is Outcome.PASS:
            self.ledger.mark_mitigated(incident.id, verdict.reason)
            self.memory.mitigation.end(incident.id)

    def _finish(self, incident: Incident, attempt: Attempt, result: RemedyResult) -> None:
        """Record the end of the attempt; with success, the incident recovers in the same transaction."""
        self.memory.forget_verification(incident)
        if result.outcome is AttemptOutcome.SUCCEEDED:
            self.ledger.finish_and_close(incident.id, attempt.number, Status.RECOVERED, result.note)
            trace_attempt(self.settings, incident, attempt, result.outcome, result.note)
            self._announce(incident, Status.RECOVERED, result.note)
        else:
            self.ledger.finish_attempt(incident.id, attempt.number, result.outcome, result.note)
            trace_attempt(self.settings, incident, attempt, result.outcome, result.note)
            self._note(incident, f"{attempt.remedy} {result.outcome}: {result.note}")
        crash_points.reached("heal.attempt_finished", remedy=attempt.remedy)

    def _cancel(self, incident: Incident, attempt: Attempt, reason: str) -> None:
        assert attempt.flow_run_id is not None  # only a flow run is long enough to be cancelled
        cancel_run(attempt.flow_run_id)
        self._note(incident, f"cancelled: {reason}")

    def _escalate(self, incident: Incident, reason: str, now: Moment) -> None:
        """Notify people before it is recorded: a healer killed in between notifies twice instead of never."""
        attempt = Attempt(len(incident.attempts) + 1, Remedy.ESCALATE, now.wall, started_on=now)
        result = implementation_of(Remedy.ESCALATE).apply(self._context(incident, attempt, reason))
        crash_points.reached("heal.escalated", remedy=Remedy.ESCALATE)
        self.started.setdefault(incident.id, []).append(Remedy.ESCALATE)
        self.ledger.escalate(incident.id, result.note, started_on=now, lease_token=self.token)
        self._announce(incident, Status.ESCALATED, reason)

    def _ask_approval(self, incident: Incident, number: int, remedy: Remedy, now: Moment) -> None:
        """Ask before it is recorded; the outbox sends a question once per route, also after a kill in between."""
        report = request_approval(self.settings, incident, number, remedy, now.wall, self.routing)
        crash_points.reached("heal.approval_asked", remedy=remedy)
        self.ledger.ask_approval(incident.id, number, remedy, now)
        self._note(incident, f"{remedy} needs the approval of a person: {report}")

    def _recover(self, incident: Incident, reason: str) -> None:
        was_escalated = incident.status is Status.ESCALATED
        self._close(incident, Status.RECOVERED, reason)
        if was_escalated:
            notify_over(self.settings, incident, reason, datetime.now(UTC), self.routing)

    def _close(self, incident: Incident, status: Status, reason: str) -> None:
        self.ledger.set_status(incident.id, status, reason)
        self._announce(incident, status, reason)

    def _announce(self, incident: Incident, status: Status, reason: str) -> None:
        """Send the event of an incident that has ended, or whose remedies have."""
        if status is not Status.ESCALATED:
            self.memory.mitigation.end(incident.id)
        trace_incident(self.settings, incident, status, reason)
        self._note(incident, f"{status}: {reason}")
        facts = {"cause": incident.cause.value, "subject": incident.subject, "summary": reason}
        emit(_EVENTS[status], incident.pipeline, {**facts, "incident_id": incident.id})

    def _record_mitigation(self, incident: Incident) -> None:
        """Record that the gateway answers its clients meanwhile, if a fallback does."""
        service = self.memory.mitigation.judge(incident.id, self.served)
        if service is not None and service.passed:
            self.ledger.mark_mitigated(incident.id, f"clients are answered meanwhile: {service.reason}")
            self.memory.mitigation.end(incident.id)

    def _context(self, incident: Incident, attempt: Attempt, reason: str | None = None) -> RemedyContext:
        return RemedyContext(
            settings=self.settings,
            ledger=self.ledger,
            runner=self.runner,
            incident=incident,
            attempt=attempt,
            probed=self.probed,
            reason=reason or f"{incident.cause}: {incident.summary}",
            routing=self.routing,
        )

    def _note(self, incident: Incident, note: str) -> None:
        known = self.notes.setdefault(incident.id, [])
        if not known or known[-1] != note:
            log.info("incident_handled", incident=incident.id, cause=incident.cause, note=note)
            known.append(note)


def _numbered(incident: Incident, number: int) -> Attempt:
    return next(attempt for attempt in incident.attempts if attempt.number == number)
