"""What every remedy implements: where it applies, how to apply, resume and observe it, and how long it may take."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from healing.diagnosis import Confirmation, ProblemKey
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy
from healing.policy import TREATABLE_CAUSES
from healing.verdict import Verdict
from tasks.config.alert_routing import AlertRouting
from tasks.config.settings import Settings
from tasks.incidents.flow_runner import FlowRunner
from tasks.incidents.remedy_result import RemedyResult
from tasks.ledger.store import Ledger
from tasks.runtime.flow_runs import RunState, run_state

AUTHOR = "heal"  # of releases, and of other changes that a remedy makes
RUN_SECONDS_MAX = 600.0  # a flow run that takes longer is cancelled


@dataclass(frozen=True, slots=True)
class RemedyContext:
    """The incident that a remedy treats, the attempt, and what the remedy acts with."""

    settings: Settings
    ledger: Ledger
    runner: FlowRunner
    incident: Incident
    attempt: Attempt
    reason: str  # for people: why the remedy is applied
    routing: AlertRouting = field(default_factory=AlertRouting)  # of messages to people
    probed: Mapping[ProblemKey, Confirmation] = field(default_factory=dict)  # what probes found last

    @property
    def idempotency_key(self) -> str:
        """Key of the flow run that this attempt starts, known before the start: a repeated start finds the same run."""
        return f"{self.incident.id}/{self.attempt.number}"


@dataclass(frozen=True, slots=True)
class AttemptRun:
    """The flow run that carries an attempt, if one does."""

    attempt: Attempt

    def state(self) -> RunState | None:
        """The state of the run; None if the attempt has none. OrchestratorUnavailable if Prefect does not answer."""
        run_id = self.attempt.flow_run_id
        return None if run_id is None else run_state(run_id)


class RemedyAction(ABC):
    """One remedy. Every method can be repeated after a crash; errors that it raises fail the attempt."""

    remedy: Remedy
    seconds_max: float = RUN_SECONDS_MAX  # of a flow run
    verify_seconds_max: float | None = None  # None: as policy says
    works_offline: bool = False  # needs only the gateway and the release log, so an outage of the ledger is no obstacle
    one_per_pipeline: bool = False  # one attempt serves every incident, so a second incident waits for it

    def applies_to(self, cause: Cause) -> bool:
        """Whether the remedy can treat the cause."""
        return cause in TREATABLE_CAUSES[self.remedy]

    @abstractmethod
    def apply(self, context: RemedyContext) -> RemedyResult:
        """Apply the remedy. SUCCEEDED means that it was applied, and observation decides whether it worked."""

    @abstractmethod
    def observe(self, context: RemedyContext) -> Verdict:
        """One look at the service from outside, at most about two seconds long.

        Never at a flag that the remedy itself resets. INCONCLUSIVE if nothing can be said now.
        """

    def resume(self, context: RemedyContext, run: AttemptRun) -> RemedyResult | None:
        """Result of an attempt whose carrier is lost; None to apply it again, which is safe.

        RUNNING while a flow run goes on.
        """
        state = run.state()
        if state is None:
            return None
        if state is RunState.ACTIVE:
            return RemedyResult(AttemptOutcome.RUNNING, f"continues in run {context.attempt.flow_run_id}")
        return RemedyResult(AttemptOutcome.FAILED, f"its run is {state}, and the problem is still there")
