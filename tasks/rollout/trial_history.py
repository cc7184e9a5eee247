"""What the release log says of a trial: since when it is on, since when its stage is, and what ended it."""

from collections.abc import Callable
from pathlib import Path

from healing.errors import Conflict
from healing.release import ModelRef, Release
from releases.log import ReleaseLog


def on_trial(release: Release, model: ModelRef) -> bool:
    return release.challenger is not None and release.challenger.model.digest == model.digest


def trial_start(release_root: Path, current: Release) -> Release:
    """The release that put the challenger of `current` on trial."""
    assert current.challenger is not None
    model = current.challenger.model
    return _first_while(release_root, current, lambda earlier: on_trial(earlier, model))


def stage_start(release_root: Path, current: Release) -> Release:
    """The release with which the present stage began: a republication of the champion does not begin another."""
    assert current.challenger is not None
    step = (current.challenger.model.digest, current.challenger.mode, current.challenger.weight)

    def same(earlier: Release) -> bool:
        other = earlier.challenger
        return other is not None and (other.model.digest, other.mode, other.weight) == step

    return _first_while(release_root, current, same)


def end_of_trial(release_root: Path, trial: Release, model: ModelRef) -> Release | None:
    """The first release after `trial` in which the model is not on trial any more; None while it is."""
    releases = ReleaseLog(release_root)
    later = (releases.read(number) for number in range(trial.generation + 1, releases.latest_generation() + 1))
    return next((release for release in later if not on_trial(release, model)), None)


def last_trial(release_root: Path, model: ModelRef) -> Release:
    """The last release with the model on trial; the current one when there never was any."""
    trials = [release for release in ReleaseLog(release_root).history() if on_trial(release, model)]
    return trials[-1] if trials else current_release(release_root)


def current_release(release_root: Path) -> Release:
    """What should serve; Conflict when the log is empty, which it was not when the rollout began."""
    current = ReleaseLog(release_root).current()
    if current is None:
        raise Conflict(f"expected releases in {release_root}, found an empty log; was it moved?")
    return current


def _first_while(release_root: Path, current: Release, holds: Callable[[Release], bool]) -> Release:
    releases = ReleaseLog(release_root)
    first = current
    for generation in range(current.generation - 1, 0, -1):
        earlier = releases.read(generation)
        if not holds(earlier):
            break
        first = earlier
    return first
