"""What every remedy implements: where it applies, how to apply, resume and verify it, and how long it may take."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime

from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy
from healing.policy import TREATABLE_CAUSES
from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.store import Ledger
from tasks.runtime.flow_runs import RunState, run_state

AUTHOR = "heal"  # of releases, and of other changes that a remedy makes
SHORT_SECONDS_MAX = 120.0  # no remedy within one `heal` takes longer; one that seems to was killed


@dataclass(frozen=True, slots=True)
class RemedyContext:
    """The incident that a remedy treats, the attempt, and what the remedy acts with."""

    settings: Settings
    ledger: Ledger
    runner: FlowRunner
    incident: Incident
    attempt: Attempt
    reason: str  # for people: why the remedy is applied

    @property
    def idempotency_key(self) -> str:
        """Key of the flow run that this attempt starts."""
        return f"{self.incident.id}/{self.attempt.number}"

    def has_written_release(self) -> bool:
        """Whether the current release is one that this attempt wrote."""
        current = ReleaseLog(self.settings.release_root(self.incident.pipeline)).current()
        if current is None or current.incident_id != self.incident.id:
            return False
        return current.created_at >= self.attempt.started_at


@dataclass(frozen=True, slots=True)
class AttemptRun:
    """The flow run that carries an attempt."""

    attempt: Attempt
    seconds_max: float

    def lost_because(self) -> str | None:
        """Why the run can no longer finish the attempt; None while it can. OrchestratorUnavailable."""
        age_seconds = (datetime.now(UTC) - self.attempt.started_at).total_seconds()
        too_old = age_seconds > self.seconds_max
        run_id = self.attempt.flow_run_id
        state = RunState.ACTIVE if run_id is None else run_state(run_id)
        if state is RunState.ACTIVE and not too_old:
            return None
        return f"lost: its run is {state}{' and too old' if too_old else ''}"


class RemedyAction(ABC):
    """One remedy. Every method can be repeated after a crash; errors that it raises fail the attempt."""

    remedy: Remedy
    seconds_max: float = SHORT_SECONDS_MAX  # an older attempt that has not ended is lost
    writes_release: bool = False  # `apply` itself commits a release that names the incident
    one_per_pipeline: bool = False  # one attempt serves every incident, so a second incident waits for it
    records_own_attempts: bool = False  # the flow that it starts records the attempts

    def applies_to(self, cause: Cause) -> bool:
        """Whether the remedy can treat the cause."""
        return cause in TREATABLE_CAUSES[self.remedy]

    @abstractmethod
    def apply(self, context: RemedyContext) -> RemedyResult:
        """Apply the remedy. SUCCEEDED means that it was applied, and `verify` decides whether it worked."""

    def verify(self, context: RemedyContext, applied: RemedyResult) -> RemedyResult:  # noqa: ARG002
        """Whether the remedy worked, observed from outside. By default, an applied remedy worked."""
        return applied

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:
        """Result of an attempt that an earlier `heal` started: RUNNING while it continues, None to apply it again."""
        lost_because = run.lost_because()
        if lost_because is None:
            return RemedyResult(AttemptOutcome.RUNNING, f"continues in run {context.attempt.flow_run_id}")
        if self.writes_release and context.has_written_release():
            return None
        return RemedyResult(AttemptOutcome.FAILED, lost_because)
