"""A trial in the release log: when it and its stage began, what ended it, and whether it may be resumed."""

from collections.abc import Callable
from dataclasses import dataclass

from healing.ab_rules import ABRules
from healing.errors import Conflict
from healing.moment import Moment, elapsed_seconds
from healing.release import Challenger, Mode, ModelRef, Release
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.config.release_section import ReleaseRules
from tasks.rollout.rollout import AUTHOR, RolloutJournal, Step, moment_of

START_SECONDS_MAX = 120.0  # to start another controller, and with it the challenger's worker


def on_trial(release: Release, model: ModelRef) -> bool:
    return release.challenger is not None and release.challenger.model.digest == model.digest


def trial_start(release_root: ReleaseRoot, current: Release) -> Release:
    """The release that put the challenger of `current` on trial."""
    assert current.challenger is not None
    model = current.challenger.model
    return _first_while(release_root, current, lambda earlier: on_trial(earlier, model))


def stage_start(release_root: ReleaseRoot, current: Release) -> Release:
    """The release with which the current stage began; republishing the champion begins no new stage."""
    assert current.challenger is not None
    step = _step_of(current.challenger)

    def same(earlier: Release) -> bool:
        return earlier.challenger is not None and _step_of(earlier.challenger) == step

    return _first_while(release_root, current, same)


def _step_of(trial: Challenger) -> tuple[str, Mode, float, ABRules | None]:
    return trial.model.digest, trial.mode, trial.weight, trial.ab


def end_of_trial(release_root: ReleaseRoot, trial: Release, model: ModelRef) -> Release | None:
    """The first release after `trial` in which the model is not on trial any more; None while it is."""
    releases = ReleaseLog(release_root)
    later = (releases.read(number) for number in range(trial.generation + 1, releases.latest_generation() + 1))
    return next((release for release in later if not on_trial(release, model)), None)


def last_trial(release_root: ReleaseRoot, model: ModelRef) -> Release:
    """The last release with the model on trial; the current release when there was none."""
    trials = [release for release in ReleaseLog(release_root).history() if on_trial(release, model)]
    return trials[-1] if trials else current_release(release_root)


def current_release(release_root: ReleaseRoot) -> Release:
    """The current release; Conflict when the log is empty, because it was not when the rollout began."""
    current = ReleaseLog(release_root).current()
    if current is None:
        raise Conflict(f"expected releases in {release_root}, found an empty log; was it moved?")
    return current


@dataclass(frozen=True, slots=True)
class Resumption:
    """Parameters to run the release flow again. `key` is the same for two attempts to resume the same stage."""

    digest: str
    version: str
    incident_id: str | None
    key: str


def resumable(release_root: ReleaseRoot, ledger_dsn: str, rules: ReleaseRules, now: Moment) -> Resumption | None:
    """How to resume the trial in the log; None when there is none, or it may not be resumed.

    A trial may be resumed if a controller began it, its stage is still one of the pipeline's, and neither the stage's
    deadline and hold nor the wait for an approval have passed. After that `heal` aborts it: nobody watched it, and its
    evidence is old.
    """
    current = ReleaseLog(release_root).current()
    if current is None or current.challenger is None:
        return None
    trial, began = current.challenger, stage_start(release_root, current)
    lasts = _seconds_max(trial, rules)
    if lasts is None or began.author != AUTHOR:
        return None
    journal = RolloutJournal(ledger_dsn, current.pipeline, trial.model.digest)
    started = journal.last(Step.STAGE_STARTED, {"generation": began.generation})
    since = Moment(began.created_at) if started is None else moment_of(started)
    is_running = elapsed_seconds(since, now) < lasts + START_SECONDS_MAX
    asked = journal.last(Step.APPROVAL_ASKED, {"generation": began.generation})
    is_asked = asked is not None and elapsed_seconds(moment_of(asked), now) < rules.approval_seconds_max
    if not is_running and not is_asked:
        return None
    return Resumption(trial.model.digest, trial.model.version, began.incident_id, f"resume/{current.generation}")


def _seconds_max(trial: Challenger, rules: ReleaseRules) -> float | None:
    """How long the stage of the trial lasts at most; None when the pipeline has no such stage any more."""
    if trial.ab is not None:
        return trial.ab.seconds_max
    place = rules.stage_of(trial.mode, trial.weight)
    return None if place is None else rules.stages[place].deadline_seconds + rules.stages[place].hold_seconds


def _first_while(release_root: ReleaseRoot, current: Release, holds: Callable[[Release], bool]) -> Release:
    """The first of the unbroken run of releases up to `current` for which `holds` is true."""
    releases = ReleaseLog(release_root)
    first = current
    for generation in range(current.generation - 1, 0, -1):
        earlier = releases.read(generation)
        if not holds(earlier):
            break
        first = earlier
    return first
