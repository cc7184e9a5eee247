"""The `release` flow: a published model goes through the pipeline's stages and becomes champion, or its trial ends."""

from dataclasses import replace

import structlog
from prefect import flow

from healing.release import ModelRef
from healing.remedy import Role, role_of
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.ab_section import ABChanges
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import load_settings
from tasks.ledger.pauses import refuse_while_paused
from tasks.rollout.ab_evidence import ABMeasure, ab_plan
from tasks.rollout.ab_stage import ABEvidenceSource
from tasks.rollout.controller import roll_out
from tasks.rollout.release_changes import signing_of
from tasks.rollout.release_events import republish_events
from tasks.rollout.rollout import ABPlan, ReleaseOutcome, Rollout
from tasks.rollout.trial_controller_lease import controlling
from tasks.rollout.trial_observer import BackgroundEvidence, LabelEvidence, LabelMeasure
from tasks.runtime.traces import observed

log = structlog.get_logger(__name__)


@flow(name="release")
@observed
def release(
    pipeline: str,
    digest: str,
    incident_id: str | None = None,
    reason: str = "",
    approved_by: str | None = None,
    unfence_by: str | None = None,
    ab: ABChanges | None = None,
    all_stages: bool = False,
) -> ReleaseOutcome:
    """Roll a published model out: the first one at once, later ones through the pipeline's stages.

    `approved_by` is the person who approves in advance, `unfence_by` the person who lifts the model's fence. With `ab`
    an A/B test takes the place of the canary stages, by `release.ab` of the pipeline and the changes given here.
    `all_stages`: a champion that served well recently has to pass the stages again.
    ModelCorrupt when its bytes do not verify, Conflict while another rollout of the pipeline is running,
    IllegalTransition for a fenced model, PipelinePaused while the pipeline is paused. A run after a killed one resumes
    the trial in the log.
    """
    settings = load_settings()
    config = load_pipeline(pipeline, settings.pipelines_dir)
    root, keys = settings.release_root(pipeline), ensure_keys(settings.keys_dir)
    if role_of(ReleaseLog(root).current(), digest) is not Role.CHALLENGER:  # a trial that runs is brought to its end
        refuse_while_paused(settings.ledger_dsn, pipeline)
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
        all_stages=all_stages,
        signing=signing_of(settings),
        ab=None if ab is None else _planned(config, ab, root),
    )
    lake = settings.lake_root(pipeline)
    labels = LabelEvidence(LabelMeasure(config, lake, root, keys.public, rollout.operate_url))
    outcomes = ABMeasure(config, lake, root, rollout.operate_url)
    with controlling(settings.ledger_dsn, pipeline) as lease:
        measured: ABEvidenceSource = BackgroundEvidence(outcomes, None, "A/B test")
        outcome = roll_out(replace(rollout, lease=lease), config.release, labels, measured)
    log.info("rollout_ended", pipeline=pipeline, result=outcome.result, version=outcome.version, reason=outcome.reason)
    republish_events(settings, pipeline)
    return outcome


def _planned(config: Pipeline, changes: ABChanges, release_root: ReleaseRoot) -> ABPlan | None:
    """The A/B test against the champion; None before the first release, because nothing can be compared."""
    current = ReleaseLog(release_root).current()
    if current is None:
        return None
    return ab_plan(config, changes, ModelStore(release_root).manifest(current.champion.digest))
