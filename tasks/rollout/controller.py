"""The rollout controller: takes one model through the pipeline's stages until it is champion or its trial has ended."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from healing.promotion import Decision
from healing.release import Challenger, Mode, Reason, Release
from releases.log import ReleaseLog
from tasks.config.release_section import ReleaseRules, Stage, WhenInconclusive
from tasks.rollout.ab_stage import ABEvidenceSource, run_ab
from tasks.rollout.approval import needs_approval, stage_question
from tasks.rollout.approval_wait import approve_version, request_approval
from tasks.rollout.release_changes import abort_trial
from tasks.rollout.release_events import announce_release
from tasks.rollout.rollout import AUTHOR, ReleaseOutcome, Rollout, RolloutResult, StageEnd, StageVerdict
from tasks.rollout.rollout_status import ProgressReporter
from tasks.rollout.stage import Watchers, run_stage
from tasks.rollout.trial import abort, bootstrap_release, promote, refuse_fenced, return_champion
from tasks.rollout.trial_history import current_release, on_trial
from tasks.rollout.trial_observer import LabelEvidence

log = structlog.get_logger(__name__)


def roll_out(
    rollout: Rollout, rules: ReleaseRules, labels: LabelEvidence, ab_evidence: ABEvidenceSource
) -> ReleaseOutcome:
    """Roll one model out; the caller holds the pipeline's rollout lease."""
    current = ReleaseLog(rollout.release_root).current()
    if current is None:
        return ReleaseOutcome.of(rollout, bootstrap_release(rollout), RolloutResult.BOOTSTRAPPED)
    if current.champion.digest == rollout.model.digest:
        return ReleaseOutcome.of(rollout, current, RolloutResult.PROMOTED, reason="it is champion already")
    refuse_fenced(rollout, current)
    _abort_stranded(rollout, current)
    stages_needed = rollout.all_stages or rollout.ab is not None
    returned = None if stages_needed else return_champion(rollout, rules.rollback_window_days)
    if returned is not None:
        return ReleaseOutcome.of(rollout, returned, RolloutResult.PROMOTED, reason=returned.note)
    return _run_stages(_with_logged_note(rollout), rules, Watchers.of(rollout, labels), ab_evidence)


def _run_stages(
    rollout: Rollout, rules: ReleaseRules, watchers: Watchers, ab_evidence: ABEvidenceSource
) -> ReleaseOutcome:
    """Run the stages from the one that the log shows, then promote. An A/B test follows the shadow stages."""
    verdicts: tuple[StageVerdict, ...] = ()
    ab = _ab_challenger(rollout, rules)
    for step in _steps(rollout, rules, ab):
        answers_users = step.mode is Mode.CANARY
        if answers_users and _needs_approval(rollout, rules):
            approved = approve_version(rollout, rules, watchers.reporter)
            if isinstance(approved, StageEnd):
                return _end(rollout, approved, verdicts)
            rollout = approved
        if isinstance(step, Challenger):
            ended = run_ab(rollout, rules, step, watchers, ab_evidence)
        else:
            ended = run_stage(rollout, rules, rules.stages.index(step), watchers)
        end = resolve_inconclusive(rollout, rules, ended, watchers.reporter)
        verdicts = (*verdicts, StageVerdict.of(step, end))
        if end.decision is not Decision.PROMOTE:
            return _end(rollout, end, verdicts)
    if ab is not None:
        rollout = replace(rollout, note="; ".join(text for text in (rollout.note, end.reason) if text))
    promoted = promote(rollout, end)
    if isinstance(promoted, StageEnd):
        return _end(rollout, promoted, verdicts)
    return ReleaseOutcome.of(rollout, promoted, RolloutResult.PROMOTED, verdicts, ab=end.ab)


def _ab_challenger(rollout: Rollout, rules: ReleaseRules) -> Challenger | None:
    """The challenger of the A/B test: as the log has it, else as it was ordered; None without an A/B test."""
    current = current_release(rollout.release_root)
    if on_trial(current, rollout.model) and current.challenger is not None and current.challenger.ab is not None:
        return current.challenger
    if rollout.ab is None:
        return None
    return Challenger(rollout.model, Mode.CANARY, rollout.ab.weight, rules.trial_rules, rollout.ab.rules)


def _steps(rollout: Rollout, rules: ReleaseRules, ab: Challenger | None) -> Sequence[Stage | Challenger]:
    """The stages that are still to run; an A/B test, which takes the place of the canary stages, is a challenger."""
    trial = current_release(rollout.release_root).challenger
    if ab is None:
        return rules.stages[_first_stage(rollout, rules) :]
    if trial is not None and trial.mode is Mode.CANARY:
        return (ab,)
    shadows = [stage for stage in rules.stages[_first_stage(rollout, rules) :] if stage.mode is Mode.SHADOW]
    return (*shadows, ab)


def resolve_inconclusive(rollout: Rollout, rules: ReleaseRules, end: StageEnd, reporter: ProgressReporter) -> StageEnd:
    """The stage's end after the pipeline's policy for stages that deadline and hold left without a decision."""
    if not end.timed_out:
        return end
    policy = rules.on_no_data if end.decision is Decision.NODATA else rules.on_inconclusive
    log.warning("stage_inconclusive", version=rollout.model.version, policy=policy, reason=end.reason)
    match policy:
        case WhenInconclusive.ABORT:
            return end
        case WhenInconclusive.PROMOTE:
            return replace(end, decision=Decision.PROMOTE, reason=f"{end.reason}; policy lets it continue")
        case WhenInconclusive.ASK:
            if not on_trial(current_release(rollout.release_root), rollout.model):
                return end
            question = stage_question(rollout.release_root, rollout.model, end.reason)
            answer = request_approval(rollout, rules, question, reporter)
            if isinstance(answer, StageEnd):
                return answer
            return replace(end, decision=Decision.PROMOTE, reason=f"{end.reason}; {answer.in_words}")


def _with_logged_note(rollout: Rollout) -> Rollout:
    """The rollout with the note, and so the approval, that a killed controller of the same trial left in the log."""
    current = current_release(rollout.release_root)
    if rollout.note or not on_trial(current, rollout.model):
        return rollout
    return replace(rollout, note=current.note)


def _abort_stranded(rollout: Rollout, current: Release) -> None:
    """Abort the trial of another model. It has no controller: this one holds the lease."""
    trial = current.challenger
    if trial is None or trial.model.digest == rollout.model.digest:
        return
    note = f"its controller is gone; {rollout.model.version} is next"
    aborted = abort_trial(rollout.release_root, trial.model.digest, author=AUTHOR, note=note)
    if aborted is not None:
        announce_release(rollout.ledger_dsn, aborted)


def _first_stage(rollout: Rollout, rules: ReleaseRules) -> int:
    """The stage of this model that a killed controller left in the log, else the first."""
    current = current_release(rollout.release_root)
    if current.challenger is None or not on_trial(current, rollout.model):
        return 0
    return rules.stage_of(current.challenger.mode, current.challenger.weight) or 0


def _needs_approval(rollout: Rollout, rules: ReleaseRules) -> bool:
    """Whether a person must approve before the first stage that answers users, unless it began already."""
    current = current_release(rollout.release_root)
    trial = current.challenger if on_trial(current, rollout.model) else None
    begun = trial is not None and trial.mode is Mode.CANARY
    return not begun and needs_approval(rules.approval, current.champion.version, rollout.model.version)


def _end(rollout: Rollout, end: StageEnd, verdicts: tuple[StageVerdict, ...]) -> ReleaseOutcome:
    """Abort the trial, unless another controller promoted the model meanwhile."""
    ended = abort(rollout, end)
    if ended.reason in (Reason.PROMOTE, Reason.RETURN) and ended.champion.digest == rollout.model.digest:
        return ReleaseOutcome.of(rollout, ended, RolloutResult.PROMOTED, verdicts, end.reason, end.ab)
    result = RolloutResult.ABORTED if end.decision is Decision.ABORT else RolloutResult.INCONCLUSIVE
    return ReleaseOutcome.of(rollout, ended, result, verdicts, end.reason, end.ab)
