"""Releasing a model: stage by stage through real traffic, until it is champion or gone."""

from enum import StrEnum

import structlog
from prefect import flow
from pydantic import BaseModel, ConfigDict

from flows.approval import await_answer
from healing.errors import IllegalTransition
from healing.promotion import Decision
from healing.release import Mode, ModelRef, Release
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.release_section import ReleaseRules, Settlement, Stage
from tasks.releasing.announce import announce_release, mirror_release
from tasks.releasing.approval import (
    Answer,
    Question,
    give_answer,
    needs_approval,
    settles,
    stage_question,
    version_question,
)
from tasks.releasing.comeback import bring_back
from tasks.releasing.label_evidence import LabelEvidence, LabelMeasure
from tasks.releasing.reporter import Reporter
from tasks.releasing.rollout import abort_trial, rollout_lock
from tasks.releasing.sight import Sight
from tasks.releasing.stage import run_stage
from tasks.releasing.trial import AUTHOR, Rollout, StageEnd, bootstrap_release, end_trial, promote
from tasks.releasing.trial_history import trial_start
from tasks.settings import Settings, load_settings

log = structlog.get_logger(__name__)


class Result(StrEnum):
    """How a rollout ended."""

    BOOTSTRAPPED = "bootstrapped"  # the first model of an empty log
    PROMOTED = "promoted"
    ABORTED = "aborted"  # harm was found, or a person ended the trial
    INCONCLUSIVE = "inconclusive"  # too little traffic by the deadline, nobody's approval, or nowhere to try it


class StageVerdict(BaseModel):
    """What one stage showed."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
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
def release(
    pipeline: str,
    digest: str,
    incident_id: str | None = None,
    reason: str = "",
    approved_by: str | None = None,
    unfence_by: str | None = None,
) -> ReleaseOutcome:
    """Roll a published model out: the first at once, any later one through the pipeline's stages.

    `approved_by` is the person who approves in advance where one would be asked, `unfence_by` the one who answers for a
    model that was banned. ModelCorrupt when its bytes do not verify, Conflict while another rollout of the pipeline is
    going on, IllegalTransition for a fenced model. Run again after it was killed, it goes on with the trial in the log.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    root, keys = settings.release_root(pipeline), ensure_keys(settings.keys_dir)
    manifest = ModelStore(root).verify(digest, keys.public)
    rollout = Rollout(
        pipeline=pipeline,
        model=ModelRef(digest=digest, version=manifest.version),
        baseline=manifest.baseline,
        release_root=root,
        ledger_dsn=settings.ledger_dsn,
        operate_url=settings.addresses().operate,
        incident_id=incident_id,
        note=reason,
        approved_by=approved_by,
        unfence_by=unfence_by,
    )
    labels = None if rollout.operate_url is None else LabelEvidence(
        LabelMeasure(config, settings.lake_root(pipeline), root, keys.public, rollout.operate_url)
    )
    with rollout_lock(root):
        outcome = Controller(rollout, config.release, labels).roll_out()
    log.info("rollout_ended", pipeline=pipeline, result=outcome.result, version=outcome.version, reason=outcome.reason)
    mirror_release(settings.tracking_uri, ReleaseLog(root).read(outcome.generation), root)
    return outcome
