"""Incidents that the real repair loop handles on a clock of the test, without a gateway."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefect.settings import PREFECT_API_URL

from healing.diagnosis import ProblemSignal, Signals
from healing.evidence import Evidence
from healing.incident import Cause, Incident, Status
from healing.moment import Moment
from healing.policy import Policy
from healing.slo import AnswerCounts
from tasks.config.settings import Settings
from tasks.incidents.incident_view import Memory
from tasks.incidents.repair_loop import RepairLoop
from tasks.incidents.step_executor import StepExecutor
from tasks.ledger.store import Ledger
from tests.tasks.incidents.contexts import RecordingRunner

NO_PREFECT = {PREFECT_API_URL: "http://127.0.0.1:9/api"}  # else an event starts a server in the process of the test
CHAMPION, OTHER = "a" * 64, "b" * 64
STEP_SECONDS = 10.0
PASSES_MAX = 200


@dataclass
class Story:
    """One pipeline whose model fails until `heal_model` is called. Every look takes STEP_SECONDS."""

    settings: Settings
    ledger: Ledger
    pipeline: str
    policy: Policy = field(default_factory=Policy)
    cause: Cause = Cause.MODEL_FAILING
    summary: str = "its worker died"
    is_failing: bool = True
    shared: tuple[ProblemSignal, ...] = ()  # what the gateway reports besides
    _seconds: float = 0.0
    _served: AnswerCounts = field(default_factory=AnswerCounts)

    def __post_init__(self) -> None:
        executor = StepExecutor(self.settings, self.ledger, RecordingRunner(), Memory())
        self._loop = RepairLoop(self.pipeline, executor, lambda: self.policy, self._signals, self._clock)

    def open(self, subject: str = CHAMPION) -> Incident:
        """The gateway reports the problem."""
        at = datetime.now(UTC) - timedelta(seconds=2)
        evidence = Evidence(self.pipeline, self.cause, subject, "gateway", at, self.summary, {"errors": 3})
        return self.ledger.record_evidence(evidence)

    def play(self, incident: Incident, until: Status) -> Incident:
        """Make passes until the incident has the status."""
        for _ in range(PASSES_MAX):
            self.advance()
            found = self.ledger.incident(incident.id)
            if found.status is until:
                return found
        raise AssertionError(f"expected {until}, found {found}")

    def advance(self) -> None:
        """Make one pass."""
        self._loop.advance(self.ledger.observed_incidents(self.pipeline))

    def step(self) -> None:
        """Make one pass."""
        self._loop.advance(self.ledger.observed_incidents(self.pipeline))

    def _clock(self) -> Moment:
        self._seconds += STEP_SECONDS
        return Moment(datetime.now(UTC), "boot", self._seconds)

    def _signals(self) -> Signals:
        problems = (ProblemSignal(self.cause, CHAMPION, self.summary), *self.shared) if self.is_failing else ()
        served = self._served
        self._served = (
            AnswerCounts(served.good, served.degraded + 5, served.failed + 1)
            if self.is_failing
            else (AnswerCounts(served.good + 10, served.degraded, served.failed))
        )
        return Signals(problems=problems, serving=(CHAMPION, OTHER), served=self._served)
