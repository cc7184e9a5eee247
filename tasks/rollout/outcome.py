"""How a rollout ended, stage by stage."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from healing.promotion import Decision
from healing.release import Mode, Release
from tasks.config.release_section import Stage
from tasks.rollout.trial import Rollout, StageEnd


class Result(StrEnum):
    """How a rollout ended."""

    BOOTSTRAPPED = "bootstrapped"  # the first model of an empty log
    PROMOTED = "promoted"
    ABORTED = "aborted"  # harm was found, or a person ended the trial
    INCONCLUSIVE = "inconclusive"  # too little traffic by the deadline, nobody's answer, or nowhere to try it


class StageVerdict(BaseModel):
    """What one stage showed."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    weight: float
    decision: Decision
    requests: int
    errors: int
    reason: str

    @classmethod
    def of(cls, stage: Stage, end: StageEnd) -> "StageVerdict":
        return cls(
            mode=stage.mode,
            weight=stage.weight,
            decision=end.decision,
            requests=end.exposure.requests,
            errors=end.exposure.errors,
            reason=end.reason,
        )


class ReleaseOutcome(BaseModel):
    """How the rollout ended, and the generation that ended it."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    digest: str
    version: str
    result: Result
    generation: int
    verdicts: tuple[StageVerdict, ...] = ()
    reason: str = ""

    @classmethod
    def of(
        cls,
        rollout: Rollout,
        release: Release,
        result: Result,
        verdicts: tuple[StageVerdict, ...] = (),
        reason: str = "",
    ) -> "ReleaseOutcome":
        return cls(
            pipeline=rollout.pipeline,
            digest=rollout.model.digest,
            version=rollout.model.version,
            result=result,
            generation=release.generation,
            verdicts=verdicts,
            reason=reason or rollout.note,
        )
