"""Where a rollout needs more than evidence: a person's word on a version, and what becomes of an undecided stage."""

from dataclasses import replace

import structlog

from healing.promotion import Decision, Exposure
from tasks.config.release_section import ReleaseRules, Settlement
from tasks.rollout.approval import (
    Answer,
    Question,
    answer_to,
    give_answer,
    settles,
    stage_question,
    version_question,
)
from tasks.rollout.approval_wait import await_answer
from tasks.rollout.progress import Phase
from tasks.rollout.reporter import Reporter
from tasks.rollout.trial import Rollout, StageEnd, ended_elsewhere
from tasks.rollout.trial_history import current_release, end_of_trial, on_trial
from tasks.runtime import crash_points as points

log = structlog.get_logger(__name__)


def approve_version(rollout: Rollout, rules: ReleaseRules, reporter: Reporter) -> Rollout | StageEnd:
    """The rollout with its approval in its note, or how its trial ends without one."""
    answer = _ask(rollout, rules, version_question(rollout.release_root, rollout.model), reporter)
    return answer if isinstance(answer, StageEnd) else _with_approval(rollout, answer)


def _with_approval(rollout: Rollout, answer: Answer) -> Rollout:
    return replace(rollout, note="; ".join(text for text in (rollout.note, answer.in_words) if text))


def settle(rollout: Rollout, rules: ReleaseRules, end: StageEnd, reporter: Reporter) -> StageEnd:
    """The stage's end after policy has spoken, where neither evidence nor anybody else decided by deadline and hold."""
    if not end.timed_out:
        return end
    settlement = rules.on_no_data if end.decision is Decision.NODATA else rules.on_inconclusive
    log.warning("stage_undecided", version=rollout.model.version, settlement=settlement, reason=end.reason)
    match settlement:
        case Settlement.ABORT:
            return end
        case Settlement.PROMOTE:
            return replace(end, decision=Decision.PROMOTE, reason=f"{end.reason}; policy lets it go on")
        case Settlement.ASK:
            if not on_trial(current_release(rollout.release_root), rollout.model):
                return end
            question = stage_question(rollout.release_root, rollout.model, end.reason)
            answer = _ask(rollout, rules, question, reporter)
            if isinstance(answer, StageEnd):
                return answer
            return replace(end, decision=Decision.PROMOTE, reason=f"{end.reason}; {answer.in_words}")


def _ask(rollout: Rollout, rules: ReleaseRules, question: Question, reporter: Reporter) -> Answer | StageEnd:
    """A person's yes, or how the trial ends: by a no, by nobody's answer, or by what ended it meanwhile."""
    if rollout.approved_by is not None and answer_to(rollout.journal, question) is None:
        give_answer(rollout.journal, question.id, Answer(approve=True, by=rollout.approved_by, reason="in advance"))
    trial = current_release(rollout.release_root)
    settled = settles(rollout, question, rules.approval_seconds_max)
    points.reached("release.asked", question=question.id)
    if settled() is None:
        how = f"autopilot release approve {rollout.pipeline} --by NAME"
        reporter.tell_again(phase=Phase.ASKING, question=f"{question.text} `{how}`")
    answer = await_answer(settled, question.text, rules.approval_seconds_max)
    if answer_to(rollout.journal, question) is None:
        give_answer(rollout.journal, question.id, answer)
    points.reached("release.answered", question=question.id)
    if answer.approve:
        return answer
    nothing = Exposure(0, 0, 0)
    if on_trial(trial, rollout.model):
        ended_by = end_of_trial(rollout.release_root, trial, rollout.model)
        if ended_by is not None:
            return ended_elsewhere(ended_by, nothing)
    return StageEnd(Decision.INCONCLUSIVE, nothing, answer.in_words)
