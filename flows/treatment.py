"""The treatment of one incident in one run of `heal`: resume, diagnose, remedy, until nothing more can be done now."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from flows.applied import Applied
from flows.remedies import apply_remedy, has_written_release, ingest_again
from flows.renewal import is_on_trial, judge_retrain, retrain_report
from healing.diagnosis import CONFIRMED_BY_GATEWAY, Presence, Signals, confirm
from healing.errors import AutopilotError, Conflict, Transient
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.policy import Apply, Escalate, Policy, WaitUntil, next_step
from healing.remedy import LONG_REMEDIES
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tasks.runtime import crash_points as points
from tasks.runtime.alerts import alert
from tasks.runtime.events import EventName, emit
from tasks.runtime.flow_runs import RunState, run_state
from tasks.serving.gateway_client import judge_service

log = structlog.get_logger(__name__)

STEPS_MAX = 6  # in one run: a diagnosis and a few remedies; what is left waits for the next run
SHORT_SECONDS_MAX = 120.0  # no short remedy takes longer; one that seems to was cut off
LONG_SECONDS_MAX = 1800.0  # a retrain with its canary
SERVICE_SECONDS_MAX = 1.0  # to see a few requests; without clients nobody can say, and the remedy should not wait
INGEST_SECONDS = 60.0  # ingestion heals its own incidents; `heal` steps in when it has been silent this long

HEALED_BY_INGEST = frozenset(
    {
        Cause.SOURCE_UNAVAILABLE,
        Cause.SCHEMA_BREAK,
        Cause.NULL_SPIKE,
        Cause.BAD_ROWS,
        Cause.VOLUME_ANOMALY,
        Cause.STALE_DATA,
        Cause.DUPLICATE_DATA,
    }
)


@dataclass(slots=True)
class Treatment:
    """One incident in the hands of one run. `look` reads the signals again, as they change under treatment."""

    settings: Settings
    ledger: Ledger
    policy: Policy
    look: Callable[[], Signals]
    run_id: str | None
    remedies: list[Remedy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def treat(self, incident: Incident) -> Incident:
        """The incident as far as this run can bring it; what another run has claimed, or cannot be asked now, waits."""
        try:
            for _ in range(STEPS_MAX):
                if incident.ended or not self._step(incident):
                    break
                incident = self.ledger.incident(incident.id)
        except Conflict as exc:
            self._note(incident, f"in other hands: {exc}")
        except Transient as exc:
            log.warning("treatment_interrupted", incident=incident.id, cause=str(exc))
            self._note(incident, f"waits: {exc}")
        return self.ledger.incident(incident.id)

    def _step(self, incident: Incident) -> bool:
        """Do the next thing; whether there may be more to do now."""
        running = incident.running_attempt
        if running is not None:
            return self._resume(incident, running)
        if any(attempt.outcome is AttemptOutcome.SUCCEEDED for attempt in incident.attempts):
            return self._recover(incident, "a remedy worked before this run")  # killed between the two writes
        if incident.cause in HEALED_BY_INGEST and not self._is_silent(incident):
            self._note(incident, "ingestion is at it")
            return False
        return self._look_again(incident)

    def _look_again(self, incident: Incident) -> bool:
        """No remedy is applied to what cannot be seen at this moment."""
        seen = confirm(incident, self.look())
        if seen.presence is Presence.ABSENT:
            return self._close_absent(incident, seen.reason)
        if seen.presence is Presence.INCONCLUSIVE:
            self._note(incident, seen.reason)
            return False
        if incident.status is Status.OPEN:
            self.ledger.set_status(incident.id, Status.DIAGNOSED, seen.reason)
            self._note_mitigation(incident)
            return True
        return self._follow_policy(incident)

    def _note_mitigation(self, incident: Incident) -> None:
        """The gateway's ladder is faster than any remedy; whether it answers meanwhile is seen, not assumed."""
        operate = self.settings.addresses().operate
        if incident.cause not in CONFIRMED_BY_GATEWAY or operate is None:
            return
        service = judge_service(operate, SERVICE_SECONDS_MAX)
        if service.passed:
            self.ledger.mark_mitigated(incident.id, f"clients are answered meanwhile: {service.reason}")

    def _follow_policy(self, incident: Incident) -> bool:
        similar = [other for other in self.ledger.incidents(incident.pipeline) if other.cause is incident.cause]
        attempts = [attempt for other in similar for attempt in other.attempts]
        match next_step(incident, self.policy, datetime.now(UTC), attempts):
            case WaitUntil(until, reason):
                self._note(incident, f"{reason}, until {until:%H:%M:%S}")
                return False
            case Escalate(reason):
                return self._escalate(incident, reason)
            case Apply(remedy):
                return self._apply(incident, remedy)

    def _apply(self, incident: Incident, remedy: Remedy) -> bool:
        if remedy in LONG_REMEDIES and self._another_goes_on(incident, remedy):
            return False
        if incident.cause in HEALED_BY_INGEST and remedy is not Remedy.RESTORE_SNAPSHOT:
            # Ingestion writes its own attempts, so only the run is started; its key counts the attempts so far.
            self._note(incident, ingest_again(self.settings, incident, len(incident.attempts)).note)
            return False
        attempt = self.ledger.start_attempt(incident.id, remedy, self.run_id)
        self.remedies.append(remedy)
        points.reached("heal.attempt_started", remedy=remedy)
        log.info("remedy_started", incident=incident.id, cause=incident.cause, remedy=remedy, attempt=attempt.number)
        return self._carry_out(incident, attempt)

    def _carry_out(self, incident: Incident, attempt: Attempt) -> bool:
        """Apply the attempt's remedy, for the first time or again: each is safe to repeat."""
        try:
            applied = apply_remedy(self.settings, incident, attempt.remedy, attempt.number)
        except AutopilotError as exc:
            applied = Applied(AttemptOutcome.FAILED, f"{type(exc).__name__}: {exc}")
        points.reached("heal.remedied", remedy=attempt.remedy)
        return self._conclude(incident, attempt, applied)

    def _conclude(self, incident: Incident, attempt: Attempt, applied: Applied) -> bool:
        """Write down how an attempt ended, or which run carries it on."""
        self._note(incident, f"{attempt.remedy} {applied.outcome}: {applied.note}")
        if applied.outcome is AttemptOutcome.RUNNING:
            assert applied.flow_run_id is not None  # a remedy goes on only in a run
            self.ledger.attach_run(incident.id, attempt.number, applied.flow_run_id)
            return False
        if applied.outcome is AttemptOutcome.SUCCEEDED:
            self.ledger.mark_mitigated(incident.id, applied.note)
        self.ledger.finish_attempt(incident.id, attempt.number, applied.outcome, applied.note)
        points.reached("heal.attempt_finished", remedy=attempt.remedy)
        if applied.outcome is AttemptOutcome.SUCCEEDED:
            return self._recover(incident, applied.note)
        return True

    def _resume(self, incident: Incident, attempt: Attempt) -> bool:
        """Look at the run that carries the attempt: it goes on, it ended, or it was cut off."""
        if attempt.remedy is Remedy.RETRAIN and retrain_report(self.settings, incident, attempt.started_at):
            return self._conclude(incident, attempt, judge_retrain(self.settings, incident, attempt.started_at))
        age_seconds = (datetime.now(UTC) - attempt.started_at).total_seconds()
        stale = age_seconds > (LONG_SECONDS_MAX if attempt.remedy in LONG_REMEDIES else SHORT_SECONDS_MAX)
        state = RunState.ACTIVE if attempt.flow_run_id is None else run_state(attempt.flow_run_id)
        if state is RunState.ACTIVE and not stale:
            self._note(incident, f"{attempt.remedy} goes on in run {attempt.flow_run_id}")
            return False
        cut_off = f"cut off: its run is {state}{' and too old' if stale else ''}"
        if has_written_release(self.settings, incident, attempt):
            self._note(incident, f"{cut_off}; its release is in the log and is looked at again")
            return self._carry_out(incident, attempt)
        if attempt.remedy is not Remedy.RETRAIN:
            return self._conclude(incident, attempt, Applied(AttemptOutcome.FAILED, cut_off))
        if is_on_trial(self.settings, incident):
            self._note(incident, f"{cut_off}; its candidate is on trial")
            return False
        judged = judge_retrain(self.settings, incident, attempt.started_at)
        return self._conclude(incident, attempt, replace(judged, note=f"{cut_off}; {judged.note}"))

    def _another_goes_on(self, incident: Incident, remedy: Remedy) -> bool:
        """Drift and loss of quality come together; one retrain answers both, so the second incident waits for it."""
        for other in self.ledger.unfinished_incidents(incident.pipeline):
            running = other.running_attempt
            if other.id != incident.id and running is not None and running.remedy is remedy:
                self._note(incident, f"waits for the {remedy} of incident {other.id}")
                return True
        return False

    def _is_silent(self, incident: Incident) -> bool:
        """Whether ingestion has given no sign about the incident for a while."""
        signs = [incident.detected_at, *(a.ended_at or a.started_at for a in incident.attempts)]
        return datetime.now(UTC) - max(signs) > timedelta(seconds=INGEST_SECONDS)

    def _close_absent(self, incident: Incident, reason: str) -> bool:
        """What nobody ever confirmed is dismissed; what was there and is gone has recovered."""
        if incident.status is Status.OPEN:
            self.ledger.set_status(incident.id, Status.DISMISSED, reason)
            self._tell(EventName.INCIDENT_DISMISSED, incident, reason)
            return False
        return self._recover(incident, f"gone without a further remedy: {reason}")

    def _recover(self, incident: Incident, reason: str) -> bool:
        self.ledger.set_status(incident.id, Status.RECOVERED, reason)
        self._tell(EventName.INCIDENT_RECOVERED, incident, reason)
        return False

    def _escalate(self, incident: Incident, reason: str) -> bool:
        """Alert, then write it down: a run killed in between alerts twice rather than never."""
        attempt = self.ledger.start_attempt(incident.id, Remedy.ESCALATE, self.run_id)
        self.remedies.append(Remedy.ESCALATE)
        told = alert(incident, reason, datetime.now(UTC), file=self.settings.alerts_file, urls=self.settings.alert_urls)
        note = f"{reason}; alerted {told.delivered} addresses, {told.undelivered} did not take it"
        self.ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.SUCCEEDED, note)
        self.ledger.set_status(incident.id, Status.ESCALATED, reason)
        self._tell(EventName.INCIDENT_ESCALATED, incident, reason)
        return False

    def _tell(self, name: EventName, incident: Incident, reason: str) -> None:
        self._note(incident, f"{name.value.rpartition('.')[2]}: {reason}")
        facts = {"cause": incident.cause.value, "subject": incident.subject, "summary": reason}
        emit(name, incident.pipeline, {**facts, "incident_id": incident.id})

    def _note(self, incident: Incident, note: str) -> None:
        log.info("incident_treated", incident=incident.id, cause=incident.cause, note=note)
        self.notes.append(note)
