"""Releasing a model: stage by stage through real traffic, until it is champion or gone."""

from dataclasses import replace

import structlog
from prefect import flow

from healing.promotion import Decision
from healing.release import Mode, ModelRef, Reason, Release
from releases.log import ReleaseLog
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.pipeline import load_pipeline
from tasks.config.release_section import ReleaseRules
from tasks.config.settings import load_settings
from tasks.rollout.announce import announce_release
from tasks.rollout.approval import needs_approval
from tasks.rollout.comeback import bring_back
from tasks.rollout.fenced import refuse_fenced
from tasks.rollout.label_evidence import LabelEvidence, LabelMeasure
from tasks.rollout.outcome import ReleaseOutcome, Result, StageVerdict
from tasks.rollout.republish_events import finish_telling
from tasks.rollout.rollout import abort_trial, rollout_lock
from tasks.rollout.stage import Watchers, run_stage
from tasks.rollout.trial import AUTHOR, Rollout, StageEnd, bootstrap_release, end_trial, promote
from tasks.rollout.trial_history import current_release, on_trial
from tasks.rollout.undecided_stage import approve_version, settle

__all__ = ["ReleaseOutcome", "Result", "release"]

log = structlog.get_logger(__name__)


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
    labels = LabelMeasure(config, settings.lake_root(pipeline), root, keys.public, rollout.operate_url)
    with rollout_lock(root):
        outcome = roll_out(rollout, config.release, LabelEvidence(labels))
    log.info("rollout_ended", pipeline=pipeline, result=outcome.result, version=outcome.version, reason=outcome.reason)
    finish_telling(settings, pipeline)
    return outcome


def roll_out(rollout: Rollout, rules: ReleaseRules, labels: LabelEvidence) -> ReleaseOutcome:
    """The story of one rollout; the caller holds the pipeline's rollout lock."""
    current = ReleaseLog(rollout.release_root).current()
    if current is None:
        return ReleaseOutcome.of(rollout, bootstrap_release(rollout), Result.BOOTSTRAPPED)
    if current.champion.digest == rollout.model.digest:
        return ReleaseOutcome.of(rollout, current, Result.PROMOTED, reason="it is champion already")
    refuse_fenced(rollout, current)
    _clear_stranded_trial(rollout, current)
    returned = bring_back(rollout, rules.rollback_window_days)
    if returned is not None:
        return ReleaseOutcome.of(rollout, returned, Result.PROMOTED, reason=returned.note)
    return _try(_taken_up(rollout), rules, Watchers.of(rollout, labels))


def _try(rollout: Rollout, rules: ReleaseRules, watchers: Watchers) -> ReleaseOutcome:
    """Stage by stage from where the log says that the trial is."""
    verdicts: tuple[StageVerdict, ...] = ()
    for place in range(_first_stage(rollout, rules), len(rules.stages)):
        if _touches_users_first(rollout, rules, place):
            approved = approve_version(rollout, rules, watchers.reporter)
            if isinstance(approved, StageEnd):
                return _left(rollout, approved, verdicts)
            rollout = approved
        end = settle(rollout, rules, run_stage(rollout, rules, place, watchers), watchers.reporter)
        verdicts = (*verdicts, StageVerdict.of(rules.stages[place], end))
        if end.decision is not Decision.PROMOTE:
            return _left(rollout, end, verdicts)
    promoted = promote(rollout, end)
    if isinstance(promoted, StageEnd):
        return _left(rollout, promoted, verdicts)
    return ReleaseOutcome.of(rollout, promoted, Result.PROMOTED, verdicts)


def _taken_up(rollout: Rollout) -> Rollout:
    """The rollout with the reason, and the approval, that a killed controller of the same trial has left in the log."""
    current = current_release(rollout.release_root)
    if rollout.note or not on_trial(current, rollout.model):
        return rollout
    return replace(rollout, note=current.note)


def _clear_stranded_trial(rollout: Rollout, current: Release) -> None:
    """Another model on trial has lost its controller, for this one holds the lock: it leaves."""
    trial = current.challenger
    if trial is None or trial.model.digest == rollout.model.digest:
        return
    note = f"its controller is gone; {rollout.model.version} is next"
    aborted = abort_trial(rollout.release_root, trial.model.digest, author=AUTHOR, note=note)
    if aborted is not None:
        announce_release(rollout.ledger_dsn, aborted)


def _first_stage(rollout: Rollout, rules: ReleaseRules) -> int:
    """Where to go on: the stage of this model that a killed controller left in the log, else the first."""
    current = current_release(rollout.release_root)
    if current.challenger is None or not on_trial(current, rollout.model):
        return 0
    return rules.stage_of(current.challenger.mode, current.challenger.weight) or 0


def _touches_users_first(rollout: Rollout, rules: ReleaseRules, place: int) -> bool:
    """Whether a person is to be asked before this stage: the first that answers users, and not begun already."""
    current = current_release(rollout.release_root)
    if rules.stages[place].mode is not Mode.CANARY:
        return False
    trial = current.challenger if on_trial(current, rollout.model) else None
    begun = trial is not None and trial.mode is Mode.CANARY
    return not begun and needs_approval(rules.approval, current.champion.version, rollout.model.version)


def _left(rollout: Rollout, end: StageEnd, verdicts: tuple[StageVerdict, ...]) -> ReleaseOutcome:
    ended = end_trial(rollout, end)
    if ended.reason is Reason.PROMOTE and ended.champion.digest == rollout.model.digest:
        return ReleaseOutcome.of(rollout, ended, Result.PROMOTED, verdicts, end.reason)
    result = Result.ABORTED if end.decision is Decision.ABORT else Result.INCONCLUSIVE
    return ReleaseOutcome.of(rollout, ended, result, verdicts, end.reason)
