"""Manual approval of a rollout: questions and answers in the ledger's journal, and what ends the wait for an answer."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from healing.errors import UsageError
from healing.moment import Moment
from healing.release import ModelRef, Release
from releases.release_root import ReleaseRoot
from tasks.config.release_section import ApprovalRule
from tasks.ledger.store import Ledger
from tasks.rollout.rollout import Rollout, RolloutJournal, Step, moment_of
from tasks.rollout.trial_history import current_release, on_trial, stage_start, trial_start
from tasks.runtime.clock import Stopwatch

NOBODY = "nobody"  # the name in the journal when no person answers in time


@dataclass(frozen=True, slots=True)
class ApprovalQuestion:
    """A question to a person. A controller and its successor ask it with the same `id`.

    `generation` is that of the stage after which it is asked; the current release's when no model is on trial.
    """

    id: str
    text: str
    generation: int


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """The answer: yes or no, who gives it, and why."""

    approve: bool
    by: str
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.by.strip():
            raise UsageError("expected the name of the person who answers, found none; give it with --by")

    @property
    def in_words(self) -> str:
        if self.by == NOBODY:
            return f"not approved: {self.reason}"
        return f"{'approved' if self.approve else 'refused'} by {self.by}" + (f": {self.reason}" if self.reason else "")


def needs_approval(rule: ApprovalRule, champion: str, candidate: str) -> bool:
    """Whether the candidate's version needs an approval before it answers users."""
    match rule:
        case ApprovalRule.ALWAYS:
            return True
        case ApprovalRule.NEVER:
            return False
        case ApprovalRule.MAJOR:
            return _major(candidate) > _major(champion)


def version_question(release_root: ReleaseRoot, model: ModelRef) -> ApprovalQuestion:
    """Whether a version may answer users; asked once per trial."""
    current = current_release(release_root)
    began = stage = current
    if on_trial(current, model):
        began, stage = trial_start(release_root, current), stage_start(release_root, current)
    text = f"may {model.version} answer users in place of {current.champion.version}?"
    return ApprovalQuestion(f"version/{began.generation}", text, stage.generation)


def stage_question(release_root: ReleaseRoot, model: ModelRef, why: str) -> ApprovalQuestion:
    """Whether the current stage, which is inconclusive, counts as passed."""
    stage = stage_start(release_root, current_release(release_root))
    return ApprovalQuestion(
        f"stage/{stage.generation}", f"{model.version} is inconclusive ({why}); may it continue?", stage.generation
    )


def ab_question(release_root: ReleaseRoot, model: ModelRef) -> ApprovalQuestion:
    """Whether the challenger of a running A/B test becomes champion; the answer, at any time, ends the test."""
    stage = stage_start(release_root, current_release(release_root))
    text = f"the A/B test of {model.version} is running; yes promotes it now, no aborts it"
    return ApprovalQuestion(f"ab/{stage.generation}", text, stage.generation)


def put_question(journal: RolloutJournal, question: ApprovalQuestion) -> Moment:
    """When the question was first asked; recorded now if it is new."""
    detail = {"text": question.text, "generation": question.generation}
    return moment_of(journal.write_once(Step.APPROVAL_ASKED, {"question": question.id}, detail))


def give_answer(journal: RolloutJournal, question_id: str, answer: ApprovalAnswer) -> None:
    journal.write(Step.APPROVAL_GIVEN, {"question": question_id, **asdict(answer)})


def answer_to(journal: RolloutJournal, question: ApprovalQuestion) -> ApprovalAnswer | None:
    """The last answer to the question, None while there is none."""
    entry = journal.last(Step.APPROVAL_GIVEN, {"question": question.id})
    if entry is None:
        return None
    detail = entry.detail
    return ApprovalAnswer(bool(detail["approve"]), str(detail["by"]), str(detail["reason"]))


def waiting_for_answer(
    rollout: Rollout, question: ApprovalQuestion, seconds_max: float
) -> Callable[[], ApprovalAnswer | None]:
    """Record the question; returns a function that returns the answer once the wait is over, None until then.

    The wait ends with an answer, with the trial (when the gateway, `heal` or a person aborts it), or as a refusal after
    `seconds_max`.
    """
    asked = put_question(rollout.journal, question)
    waiting = Stopwatch.since(asked)
    was_on_trial = on_trial(current_release(rollout.release_root), rollout.model)

    def answered() -> ApprovalAnswer | None:
        answer = answer_to(rollout.journal, question)
        if answer is not None:
            return answer
        current = current_release(rollout.release_root)
        if was_on_trial and not on_trial(current, rollout.model):
            reason = f"the trial ended meanwhile: {current.note}"
            return ApprovalAnswer(approve=False, by=current.author, reason=reason)
        if waiting.seconds() >= seconds_max:
            return ApprovalAnswer(approve=False, by=NOBODY, reason=f"no answer within {seconds_max:g} s")
        return None

    return answered


def answer_rollout(release_root: ReleaseRoot, ledger_dsn: str, pipeline: str, answer: ApprovalAnswer) -> str:
    """Record a person's answer to the rollout's open question; returns the question.

    Without an open question, the answer is for the one that the current trial asks before its challenger answers users,
    or for that of its A/B test.
    UsageError when no rollout waits and no model is on trial.
    """
    current = current_release(release_root)
    with Ledger(ledger_dsn) as ledger:
        asked = ledger.entries(pipeline, Step.APPROVAL_ASKED.value, limit=1)
    if asked and asked[0].detail["generation"] == _asking_generation(release_root, current):
        journal = RolloutJournal(ledger_dsn, pipeline, asked[0].subject)
        question = str(asked[0].detail["question"])
        if journal.last(Step.APPROVAL_GIVEN, {"question": question}) is None:
            give_answer(journal, question, answer)
            return str(asked[0].detail["text"])
    if current.challenger is None:
        raise UsageError(
            f"no rollout of {pipeline} waits for an answer; to approve one in advance, start it with --approved-by"
        )
    model = current.challenger.model
    ahead = (version_question if current.challenger.ab is None else ab_question)(release_root, model)
    give_answer(RolloutJournal(ledger_dsn, pipeline, model.digest), ahead.id, answer)
    return f"(in advance) {ahead.text}"


def _asking_generation(release_root: ReleaseRoot, current: Release) -> int:
    """The generation of a question asked now."""
    return current.generation if current.challenger is None else stage_start(release_root, current).generation


def _major(version: str) -> int:
    return int(version.partition(".")[0])
