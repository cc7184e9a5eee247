"""Carries remedies out: every attempt is in the ledger before it starts and after it ends."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from healing.errors import AutopilotError
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.remedy_action import AttemptRun, RemedyAction, RemedyContext
from tasks.incidents.remedy_registry import find_remedy, implementation_of
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.store import Ledger
from tasks.runtime import crash_points

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RemedyExecutor:
    """Applies and resumes remedies. `run_id` is the flow run of this process, `started` lists what it has started."""

    settings: Settings
    ledger: Ledger
    runner: FlowRunner
    run_id: str | None
    started: list[Remedy] = field(default_factory=list)

    def apply(self, incident: Incident, remedy: Remedy) -> RemedyResult:
        """Start an attempt. RUNNING if its result comes later, or if another attempt has to end first.

        Conflict while another attempt of the incident is running.
        """
        action = find_remedy(remedy, incident.cause)
        if action is not None and action.one_per_pipeline:
            other = self._running_elsewhere(incident, remedy)
            if other is not None:
                return RemedyResult(AttemptOutcome.RUNNING, f"waits for the {remedy} of incident {other.id}")
        if action is not None and action.records_own_attempts:
            unrecorded = Attempt(len(incident.attempts), remedy, datetime.now(UTC))
            applied = action.apply(self._context(incident, unrecorded))
            return RemedyResult(AttemptOutcome.RUNNING, applied.note)
        attempt = self._start(incident, remedy)
        crash_points.reached("heal.attempt_started", remedy=remedy)
        log.info("remedy_started", incident=incident.id, cause=incident.cause, remedy=remedy, attempt=attempt.number)
        if action is None:
            note = f"{remedy} cannot treat {incident.cause}; remove it from the policy"
            return self._record(incident, attempt, RemedyResult(AttemptOutcome.FUTILE, note))
        return self._carry_out(incident, attempt, action)

    def resume(self, incident: Incident, attempt: Attempt) -> RemedyResult:
        """Continue an attempt that an earlier run started. RUNNING while it continues elsewhere."""
        action = find_remedy(attempt.remedy, incident.cause) or implementation_of(attempt.remedy)
        result = action.resume(self._context(incident, attempt), AttemptRun(attempt, action.seconds_max))
        if result is None:
            log.info("remedy_repeated", incident=incident.id, remedy=attempt.remedy, attempt=attempt.number)
            return self._carry_out(incident, attempt, action)
        return result if result.outcome is AttemptOutcome.RUNNING else self._record(incident, attempt, result)

    def escalate(self, incident: Incident, reason: str) -> RemedyResult:
        """Notify people before recording it: a run killed in between notifies twice instead of never."""
        attempt = self._start(incident, Remedy.ESCALATE)
        result = implementation_of(Remedy.ESCALATE).apply(self._context(incident, attempt, reason))
        self.ledger.finish_attempt(incident.id, attempt.number, result.outcome, result.note)
        return result

    def _start(self, incident: Incident, remedy: Remedy) -> Attempt:
        attempt = self.ledger.start_attempt(incident.id, remedy, self.run_id)
        self.started.append(remedy)
        return attempt

    def _carry_out(self, incident: Incident, attempt: Attempt, action: RemedyAction) -> RemedyResult:
        """Apply the remedy, for the first time or again, verify it, and record the result."""
        context = self._context(incident, attempt)
        try:
            result = action.apply(context)
            if result.outcome is AttemptOutcome.SUCCEEDED:
                result = action.verify(context, result)
        except AutopilotError as exc:
            result = RemedyResult(AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        crash_points.reached("heal.remedy_applied", remedy=attempt.remedy)
        return self._record(incident, attempt, result)

    def _record(self, incident: Incident, attempt: Attempt, result: RemedyResult) -> RemedyResult:
        """Record how the attempt ended, or which run carries it."""
        if result.outcome is AttemptOutcome.RUNNING:
            assert result.flow_run_id is not None  # only a flow run carries a remedy on
            self.ledger.attach_run(incident.id, attempt.number, result.flow_run_id)
            return result
        if result.outcome is AttemptOutcome.SUCCEEDED:
            self.ledger.mark_mitigated(incident.id, result.note)
        self.ledger.finish_attempt(incident.id, attempt.number, result.outcome, result.note)
        crash_points.reached("heal.attempt_finished", remedy=attempt.remedy)
        return result

    def _running_elsewhere(self, incident: Incident, remedy: Remedy) -> Incident | None:
        """Another incident of the pipeline with a running attempt of the remedy."""
        for other in self.ledger.unfinished_incidents(incident.pipeline):
            running = other.running_attempt
            if other.id != incident.id and running is not None and running.remedy is remedy:
                return other
        return None

    def _context(self, incident: Incident, attempt: Attempt, reason: str | None = None) -> RemedyContext:
        return RemedyContext(
            settings=self.settings,
            ledger=self.ledger,
            runner=self.runner,
            incident=incident,
            attempt=attempt,
            reason=reason or f"{incident.cause}: {incident.summary}",
        )
