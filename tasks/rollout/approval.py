"""A person's word on a rollout, in the ledger's journal: who was asked what, who answered, and what ends the wait."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from healing.errors import UsageError
from healing.release import ModelRef
from tasks.config.release_section import Approval
from tasks.rollout.rollout_journal import RolloutJournal, Step
from tasks.rollout.trial import Rollout
from tasks.rollout.trial_history import current_release, on_trial, stage_start, trial_start

NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked. `id` is the same for a controller and its successor.

    `generation` is that of the stage after which it is asked, of the release on duty where nothing is on trial.
    """

    id: str
    text: str
    generation: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes or no, who says so, and why."""

    approve: bool
    by: str
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.by.strip():
            raise UsageError("an answer needs a name: who answers for it?")

    @property
    def in_words(self) -> str:
        return f"{'approved' if self.approve else 'refused'} by {self.by}" + (f": {self.reason}" if self.reason else "")


def version_question(release_root: Path, model: ModelRef) -> Question:
    """Whether a version may answer users; asked once a trial."""
    current = current_release(release_root)
    began = stage = current
    if on_trial(current, model):
        began, stage = trial_start(release_root, current), stage_start(release_root, current)
    text = f"may {model.version} answer users in place of {current.champion.version}?"
    return Question(f"version/{began.generation}", text, stage.generation)


def stage_question(release_root: Path, model: ModelRef, why: str) -> Question:
    """Whether the stage that is on, left undecided, counts as passed."""
    stage = stage_start(release_root, current_release(release_root))
    return Question(
        f"stage/{stage.generation}", f"{model.version} is undecided ({why}); may it go on?", stage.generation
    )


def needs_approval(rule: Approval, champion: str, candidate: str) -> bool:
    """Whether the candidate's version waits for a person before it answers users."""
    match rule:
        case Approval.ALWAYS:
            return True
        case Approval.NEVER:
            return False
        case Approval.MAJOR:
            return _major(candidate) > _major(champion)


def put_question(journal: RolloutJournal, question: Question) -> datetime:
    """When the question was first asked; it is written down now if nobody has."""
    detail = {"text": question.text, "generation": question.generation}
    return journal.write_once(Step.APPROVAL_ASKED, {"question": question.id}, detail).at


def give_answer(journal: RolloutJournal, question_id: str, answer: Answer) -> None:
    journal.write(Step.APPROVAL_GIVEN, {"question": question_id, **asdict(answer)})


def answer_to(journal: RolloutJournal, question: Question) -> Answer | None:
    """The last word on the question, None while there is none."""
    entry = journal.last(Step.APPROVAL_GIVEN, {"question": question.id})
    if entry is None:
        return None
    detail = entry.detail
    return Answer(bool(detail["approve"]), str(detail["by"]), str(detail["reason"]))


def settles(rollout: Rollout, question: Question, seconds_max: float) -> Callable[[], Answer | None]:
    """Asks whether the wait for an answer is over: answered, foregone with the trial, or too long.

    The trial leaves the log when the gateway condemns it or a person ends it: nobody waits for an answer then.
    """
    asked = put_question(rollout.journal, question)
    was_on_trial = on_trial(current_release(rollout.release_root), rollout.model)

    def settled() -> Answer | None:
        answer = answer_to(rollout.journal, question)
        if answer is not None:
            return answer
        current = current_release(rollout.release_root)
        if was_on_trial and not on_trial(current, rollout.model):
            return Answer(approve=False, by=current.author, reason=f"the trial was ended meanwhile: {current.note}")
        if datetime.now(UTC) >= asked + timedelta(seconds=seconds_max):
            return Answer(approve=False, by=NOBODY, reason=f"no answer within {seconds_max:g} s")
        return None

    return settled


def _major(version: str) -> int:
    return int(version.partition(".")[0])
