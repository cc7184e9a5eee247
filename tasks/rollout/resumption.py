"""Whether a rollout whose controller died may be taken up again, as the release log and the journal tell it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from releases.log import ReleaseLog
from tasks.config.release_section import ReleaseRules
from tasks.rollout.rollout_journal import RolloutJournal, Step
from tasks.rollout.trial import AUTHOR
from tasks.rollout.trial_history import stage_start

START_SECONDS_MAX = 120.0  # to start the controller again, and with it the challenger's worker


@dataclass(frozen=True, slots=True)
class Resumption:
    """With what the release flow is to be run again; a stage that is resumed twice is resumed under the same key."""

    digest: str
    version: str
    incident_id: str | None
    key: str


def resumable(release_root: Path, ledger_dsn: str, rules: ReleaseRules, now: datetime) -> Resumption | None:
    """How to go on with the trial in the log; None when there is none, or it is not to be gone on with.

    A trial is gone on with that a controller began, while its stage is still one of the pipeline's, and until the
    stage's deadline and hold, or the wait for a person's answer, are over. One past them is for `heal` to end: nobody
    has watched over it, and its evidence is stale.
    """
    current = ReleaseLog(release_root).current()
    if current is None or current.challenger is None:
        return None
    trial, began = current.challenger, stage_start(release_root, current)
    place = rules.stage_of(trial.mode, trial.weight)
    if place is None or began.author != AUTHOR:
        return None
    stage = rules.stages[place]
    journal = RolloutJournal(ledger_dsn, current.pipeline, trial.model.digest)
    started = journal.last(Step.STAGE_STARTED, {"generation": began.generation})
    since = began.created_at if started is None else started.at
    until = since + timedelta(seconds=stage.deadline_seconds + stage.hold_seconds + START_SECONDS_MAX)
    asked = journal.last(Step.APPROVAL_ASKED, {"generation": began.generation})
    if asked is not None:
        until = max(until, asked.at + timedelta(seconds=rules.approval_seconds_max))
    if now >= until:
        return None
    return Resumption(trial.model.digest, trial.model.version, began.incident_id, f"resume/{current.generation}")
