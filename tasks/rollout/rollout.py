"""One rollout: its order, its journal in the ledger, how its stages ended, and its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from healing.ab_rules import ABRules
from healing.moment import Moment
from healing.promotion import Decision, Exposure
from healing.release import Challenger, Mode, ModelRef, Release
from healing.trial_rules import TrialCheck
from releases.release_root import ReleaseRoot
from releases.trusted_log import Signing
from tasks.config.release_section import Stage
from tasks.ledger.held_lease import HeldLease
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger
from tasks.rollout.ab_progress import ABProgress
from tasks.runtime.clock import current_moment

AUTHOR = "release"  # of the releases that a controller writes
GATEWAY_AUTHOR = "gateway"  # of the aborts that the gateway writes itself


class Step(StrEnum):
    """Kinds of journal entries about a rollout; the subject of each is the challenger's digest."""

    STAGE_STARTED = "rollout.stage_started"  # the gateway serves the stage
    STAGE_HELD = "rollout.stage_held"  # the deadline passed without a decision
    STAGE_ENDED = "rollout.stage_ended"
    APPROVAL_ASKED = "rollout.approval_asked"
    APPROVAL_GIVEN = "rollout.approval_given"  # or refused


class RolloutJournal:
    """Journal entries about one challenger, for the next controller, people and `heal`.

    Each call opens the ledger, because a rollout lasts longer than a database connection.
    """

    def __init__(self, ledger_dsn: str, pipeline: str, digest: str) -> None:
        self._dsn = ledger_dsn
        self._pipeline = pipeline
        self._digest = digest

    def write(self, step: Step, detail: Mapping[str, object]) -> None:
        with Ledger(self._dsn) as ledger:
            ledger.record_entry(self._pipeline, step.value, self._digest, detail)

    def last(self, step: Step, having: Mapping[str, object]) -> JournalEntry | None:
        """The newest entry of this kind whose detail has the values in `having`, None when there is none."""
        with Ledger(self._dsn) as ledger:
            entries = ledger.entries(self._pipeline, step.value)
        for entry in entries:
            if entry.subject == self._digest and having.items() <= entry.detail.items():
                return entry
        return None

    def write_once(
        self, step: Step, having: Mapping[str, object], detail: Mapping[str, object] | None = None
    ) -> JournalEntry:
        """The newest entry with the values in `having`; when there is none, it is written with `detail` added.

        It has the reading of the boot clock as well, for `moment_of`.
        """
        found = self.last(step, having)
        if found is None:
            now = current_moment()
            clock = {"boot_id": now.boot_id, "boot_seconds": now.boot_seconds}
            self.write(step, {**clock, **(detail or {}), **having})
            found = self.last(step, having)
            assert found is not None  # the ledger reads its own writes
        return found


def moment_of(entry: JournalEntry) -> Moment:
    """When the entry was written, on the boot clock where it has a reading of it."""
    boot = entry.detail.get("boot_seconds")
    return Moment(entry.at, str(entry.detail.get("boot_id", "")), boot if isinstance(boot, float) else None)


@dataclass(frozen=True, slots=True)
class ABPlan:
    """Share and rules of an A/B test, before it is in the release log."""

    weight: float
    rules: ABRules


@dataclass(frozen=True, slots=True)
class Rollout:
    """The order to roll out one model, and where its progress is recorded.

    `approved_by` is a person who approved in advance, `unfence_by` the person who lifts the model's fence. With `ab`
    an A/B test takes the place of the canary stages. With `all_stages`, a model that served well recently goes through
    the stages too.
    """

    pipeline: str
    model: ModelRef
    baseline: float
    release_root: ReleaseRoot
    ledger_dsn: str = field(repr=False)
    operate_url: str | None
    incident_id: str | None = None
    note: str = ""
    approved_by: str | None = None
    unfence_by: str | None = None
    all_stages: bool = False
    signing: Signing | None = None
    ab: ABPlan | None = None
    lease: HeldLease | None = field(default=None, repr=False, compare=False)  # of the controller, for this rollout

    def check_controlled(self) -> None:
        """LeaseLost if another controller has taken over, as after a long pause of this process."""
        if self.lease is not None and not self.lease.holds():
            self.lease.check_renewed()

    @property
    def journal(self) -> RolloutJournal:
        return RolloutJournal(self.ledger_dsn, self.pipeline, self.model.digest)


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How a stage ended. Any decision but PROMOTE ends the trial too.

    `check` is the check that failed. `timed_out`: there was no decision by the deadline and hold. `ended_by` is the
    release with which another writer ended the trial.
    """

    decision: Decision
    exposure: Exposure
    reason: str
    check: TrialCheck | None = None
    timed_out: bool = False
    ended_by: Release | None = None
    ab: ABProgress | None = None  # of an A/B test, as it was at the end


class RolloutResult(StrEnum):
    """How a rollout ended."""

    BOOTSTRAPPED = "bootstrapped"  # the first model of an empty log
    PROMOTED = "promoted"
    ABORTED = "aborted"  # a check failed, or a person aborted the trial
    INCONCLUSIVE = "inconclusive"  # too little traffic by the deadline, no approval, or no gateway


class StageVerdict(BaseModel):
    """The decision on one stage, with its counts."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    weight: float
    decision: Decision
    requests: int
    errors: int
    reason: str

    @classmethod
    def of(cls, stage: Stage | Challenger, end: StageEnd) -> "StageVerdict":
        return cls(
            mode=stage.mode,
            weight=stage.weight,
            decision=end.decision,
            requests=end.exposure.requests,
            errors=end.exposure.errors,
            reason=end.reason,
        )


class ReleaseOutcome(BaseModel):
    """How the rollout ended, and the generation of the release that ended it."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    digest: str
    version: str
    result: RolloutResult
    generation: int
    verdicts: tuple[StageVerdict, ...] = ()
    reason: str = ""
    ab: ABProgress | None = None

    @classmethod
    def of(
        cls,
        rollout: Rollout,
        release: Release,
        result: RolloutResult,
        verdicts: tuple[StageVerdict, ...] = (),
        reason: str = "",
        ab: ABProgress | None = None,
    ) -> "ReleaseOutcome":
        return cls(
            pipeline=rollout.pipeline,
            digest=rollout.model.digest,
            version=rollout.model.version,
            result=result,
            generation=release.generation,
            verdicts=verdicts,
            reason=reason or rollout.note,
            ab=ab,
        )
