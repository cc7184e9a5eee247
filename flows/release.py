"""Releasing a model: stage by stage through real traffic, until it is champion or gone."""

from enum import StrEnum

import structlog
from prefect import flow
from pydantic import BaseModel, ConfigDict

from healing.promotion import Decision, StageRule
from healing.release import Challenger, ModelRef, Reason, Release
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.release_section import ReleaseRules, Stage
from tasks.releasing.announce import announce_release, mirror_release
from tasks.releasing.rollout import abort_trial, rollout_lock
from tasks.releasing.trial import AUTHOR, Rollout, StageEnd, bootstrap_release, end_trial, promote, run_stage
from tasks.settings import load_settings

log = structlog.get_logger(__name__)


class Result(StrEnum):
    """How a rollout ended."""

    BOOTSTRAPPED = "bootstrapped"  # the first model of an empty log
    PROMOTED = "promoted"
    ABORTED = "aborted"  # harm was found, or a person ended the trial
    INCONCLUSIVE = "inconclusive"  # too little traffic by the deadline, or nowhere to try it


class StageVerdict(BaseModel):
    """What one stage showed."""

    model_config = ConfigDict(frozen=True)

    weight: float
    decision: Decision
    requests: int
    errors: int
    reason: str


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


@flow(name="release")
def release(pipeline: str, digest: str, incident_id: str | None = None, reason: str = "") -> ReleaseOutcome:
    """Roll a published model out: the first at once, any later one through the pipeline's stages.

    ModelCorrupt when its bytes do not verify, Conflict while another rollout of the pipeline is going on. Run again
    after it was killed, it goes on with the trial that it finds in the log.
    """
    settings = load_settings()
    rules = load_pipeline(pipeline, settings.pipelines_dir).release
    root = settings.release_root(pipeline)
    manifest = ModelStore(root).verify(digest, ensure_keys(settings.keys_dir).public)
    rollout = Rollout(
        pipeline=pipeline,
        model=ModelRef(digest=digest, version=manifest.version),
        baseline=manifest.baseline,
        release_root=root,
        ledger_dsn=settings.ledger_dsn,
        operate_url=settings.addresses().operate,
        incident_id=incident_id,
        note=reason,
    )
    with rollout_lock(root):
        outcome = roll_out(rollout, rules)
    log.info("rollout_ended", pipeline=pipeline, result=outcome.result, version=outcome.version, reason=outcome.reason)
    mirror_release(settings.tracking_uri, ReleaseLog(root).read(outcome.generation), root)
    return outcome


def roll_out(rollout: Rollout, rules: ReleaseRules) -> ReleaseOutcome:
    """The story of one rollout; the caller holds the pipeline's rollout lock."""
    current = ReleaseLog(rollout.release_root).current()
    if current is None:
        return _outcome(rollout, bootstrap_release(rollout), Result.BOOTSTRAPPED)
    if current.champion.digest == rollout.model.digest:
        return _outcome(rollout, current, Result.PROMOTED, reason="it is champion already")
    _clear_stranded_trial(rollout, current)
    verdicts: list[StageVerdict] = []
    for stage in rules.stages[_first_stage(current, rollout.model, rules.stages) :]:
        rule = StageRule(stage.requests_min, stage.deadline_seconds, rules.error_rate_tolerated)
        end = run_stage(rollout, Challenger(rollout.model, stage.mode, stage.weight), rule)
        verdicts.append(_verdict(stage, end))
        if end.decision is not Decision.PROMOTE:
            return _left(rollout, end, verdicts)
    promoted = promote(rollout, end)
    if isinstance(promoted, StageEnd):
        return _left(rollout, promoted, verdicts)
    return _outcome(rollout, promoted, Result.PROMOTED, verdicts)


def _clear_stranded_trial(rollout: Rollout, current: Release) -> None:
    """Another model on trial has lost its controller, for this one holds the lock: it leaves."""
    trial = current.challenger
    if trial is None or trial.model.digest == rollout.model.digest:
        return
    note = f"its controller is gone; {rollout.model.version} is next"
    aborted = abort_trial(rollout.release_root, trial.model.digest, author=AUTHOR, note=note)
    if aborted is not None:
        announce_release(rollout.ledger_dsn, aborted)


def _first_stage(current: Release, model: ModelRef, stages: tuple[Stage, ...]) -> int:
    """Where to go on: the stage of this model that a killed controller left in the log, else the first."""
    trial = current.challenger
    if trial is None or trial.model.digest != model.digest:
        return 0
    same = (i for i, stage in enumerate(stages) if (stage.mode, stage.weight) == (trial.mode, trial.weight))
    return next(same, 0)


def _left(rollout: Rollout, end: StageEnd, verdicts: list[StageVerdict]) -> ReleaseOutcome:
    ended = end_trial(rollout, end)
    if ended.reason is Reason.PROMOTE and ended.champion.digest == rollout.model.digest:
        return _outcome(rollout, ended, Result.PROMOTED, verdicts, end.reason)
    result = Result.ABORTED if end.decision is Decision.ABORT else Result.INCONCLUSIVE
    return _outcome(rollout, ended, result, verdicts, end.reason)


def _verdict(stage: Stage, end: StageEnd) -> StageVerdict:
    return StageVerdict(
        weight=stage.weight,
        decision=end.decision,
        requests=end.exposure.requests,
        errors=end.exposure.errors,
        reason=end.reason,
    )


def _outcome(
    rollout: Rollout, release: Release, result: Result, verdicts: list[StageVerdict] | None = None, reason: str = ""
) -> ReleaseOutcome:
    return ReleaseOutcome(
        pipeline=rollout.pipeline,
        digest=rollout.model.digest,
        version=rollout.model.version,
        result=result,
        generation=release.generation,
        verdicts=tuple(verdicts or ()),
        reason=reason or rollout.note,
    )
