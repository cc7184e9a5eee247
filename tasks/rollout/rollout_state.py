"""A rollout as somebody outside of it sees it, and what a person may do about it."""

from dataclasses import dataclass
from pathlib import Path

from healing.errors import IllegalTransition, UsageError
from healing.fence import PROGRAMS
from healing.release import Release
from releases.log import ReleaseLog
from tasks.ledger.store import Ledger
from tasks.rollout.approval import Answer, give_answer, version_question
from tasks.rollout.progress import Phase, Progress, ProgressFile
from tasks.rollout.rollout import abort_trial, stranded_trial
from tasks.rollout.rollout_journal import RolloutJournal, Step
from tasks.rollout.trial_history import current_release, stage_start


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What the log says, and what the controller wrote last. `controlled`: some process here is in charge of the trial.

    `progress` is None where no rollout is going on.
    """

    pipeline: str
    generation: int
    champion: str
    challenger: str | None
    mode: str | None
    weight: float | None
    controlled: bool
    progress: Progress | None

    @property
    def in_words(self) -> str:
        if self.challenger is None:
            return f"{self.pipeline}: {self.champion} serves; no model is on trial"
        trial = (
            f"{self.pipeline}: {self.champion} serves; {self.challenger} is on trial ({self.mode} {self.weight:.1%})"
        )
        return trial if self.controlled else f"{trial}, and nobody is in charge of it: heal takes it up or ends it"


def read_rollout(release_root: Path, pipeline: str) -> RolloutState:
    """Where the pipeline's rollout stands; UsageError before the first release."""
    current = ReleaseLog(release_root).current()
    if current is None:
        raise UsageError(f"pipeline {pipeline!r} has no release yet; make one with `autopilot bootstrap {pipeline}`")
    trial, progress = current.challenger, ProgressFile(release_root).read()
    asking = progress is not None and progress.phase is Phase.ASKING
    if progress is not None and not (asking or (trial and trial.model.digest == progress.digest)):
        progress = None
    return RolloutState(
        pipeline=pipeline,
        generation=current.generation,
        champion=current.champion.version,
        challenger=None if trial is None else trial.model.version,
        mode=None if trial is None else trial.mode.value,
        weight=None if trial is None else trial.weight,
        controlled=trial is not None and stranded_trial(release_root) is None,
        progress=progress,
    )


def answer_rollout(release_root: Path, ledger_dsn: str, pipeline: str, answer: Answer) -> str:
    """Write the answer to what the rollout asks, or will ask before its challenger answers users; returns the question.

    UsageError where nothing is asked.
    """
    current = current_release(release_root)
    with Ledger(ledger_dsn) as ledger:
        asked = ledger.entries(pipeline, Step.APPROVAL_ASKED.value, limit=1)
    if asked and asked[0].detail["generation"] == _generation(release_root, current):
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
    ahead = version_question(release_root, model)
    give_answer(RolloutJournal(ledger_dsn, pipeline, model.digest), ahead.id, answer)
    return f"(in advance) {ahead.text}"


def end_by_hand(release_root: Path, pipeline: str, *, by: str, reason: str, fence: bool) -> Release:
    """The release in which a person ended the trial; with `fence` the model may not come back by itself.

    UsageError for a name that programs sign with, IllegalTransition when nothing is on trial.
    """
    if not by.strip() or by in PROGRAMS:
        raise UsageError(f"a person ends a trial by hand, found {by!r}; give your name")
    ended = abort_trial(release_root, None, author=by, note=f"ended by {by}: {reason}", condemned=fence)
    if ended is None:
        raise IllegalTransition(f"no model of {pipeline} is on trial; see `autopilot release status {pipeline}`")
    return ended


def _generation(release_root: Path, current: Release) -> int:
    """The generation that a question asked now would carry."""
    return current.generation if current.challenger is None else stage_start(release_root, current).generation
