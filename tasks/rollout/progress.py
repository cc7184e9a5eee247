"""How far a rollout is: kept in one small file beside the log by its controller, read by whoever asks.

The file decides nothing: the release log says what serves, the journal when a stage began. It holds what only the
controller has computed, such as the evidence from labels, and may be lost without loss.
"""

from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from healing.release import Mode
from healing.trial_rules import Check, CheckState
from healing.verdict import Outcome
from releases.files import write_atomically

log = structlog.get_logger(__name__)

PROGRESS_FILE = "rollout.json"


class Phase(StrEnum):
    """What the controller is doing."""

    STARTING = "starting"  # the challenger's worker is not ready yet
    WATCHING = "watching"
    HELD = "held"  # past its deadline without a decision
    ASKING = "asking"  # a person has to decide
    ENDED = "ended"


class CheckProgress(BaseModel):
    """One check, as a person reads it: how much evidence of harm there is, and how much condemns."""

    model_config = ConfigDict(frozen=True)

    check: Check
    outcome: Outcome
    log_e: float | None
    threshold_log_e: float | None
    observations: int
    votes: bool
    reason: str

    @classmethod
    def of(cls, state: CheckState) -> "CheckProgress":
        return cls(
            check=state.check,
            outcome=state.outcome,
            log_e=_finite(state.log_e),
            threshold_log_e=_finite(state.threshold_log_e),
            observations=state.observations,
            votes=state.votes,
            reason=state.reason,
        )


class Progress(BaseModel):
    """Where a rollout stands. Seconds are those left at `at`; `question` is what a person is asked."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    digest: str
    version: str
    phase: Phase
    at: AwareDatetime
    stage: int = 0
    stages: int = 0
    mode: Mode | None = None
    weight: float = 0.0
    requests: int = 0
    errors: int = 0
    champion_requests: int = 0
    champion_errors: int = 0
    requests_needed: int | None = None
    seconds_left: float | None = None
    checks: tuple[CheckProgress, ...] = ()
    question: str = ""
    reason: str = ""

    @property
    def step(self) -> tuple[int, Phase]:
        """What changes when there is news for a person; counts and seconds change all the time."""
        return self.stage, self.phase


class ProgressFile:
    """The file of one pipeline's rollout."""

    def __init__(self, release_root: Path) -> None:
        self._path = release_root / PROGRESS_FILE

    def write(self, progress: Progress) -> None:
        """Replace what is there. A disk that does not take it costs the sight of the rollout, not the rollout."""
        try:
            write_atomically(self._path, progress.model_dump_json().encode())
        except OSError as exc:
            log.warning("progress_not_written", path=str(self._path), cause=str(exc))

    def read(self) -> Progress | None:
        """What was written last; None where there was no rollout yet, or by another version of this program."""
        try:
            return Progress.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as exc:
            log.warning("progress_not_read", path=str(self._path), cause=exc.errors()[0]["msg"])
            return None


def _finite(value: float) -> float | None:
    """JSON has no infinities; a check that has seen nothing has log e of minus infinity at the most."""
    return value if abs(value) != float("inf") else None
