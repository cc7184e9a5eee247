"""Changes of what serves: each re-reads the release log until its decision is written or no longer needed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from healing.errors import Conflict
from healing.release import Release
from healing.remedy import Role, role_of, without_model
from releases.log import ReleaseLog, abort_of, condemnation_of
from tasks.runtime.file_locks import exclusive

log = structlog.get_logger(__name__)

LOCK_SECONDS_MAX = 0.2  # a controller holds the lock for seconds; `heal` and `release status` only test it
COMMITS_TRIED_MAX = 5  # lost races in a row; writers are few and each commits within milliseconds


def commit_next(release_root: Path, decide: Callable[[Release | None], Release | None]) -> Release | None:
    """Append what `decide` makes of the current release; None when it decides that nothing has to change.

    After a lost race it decides again on the new state. Conflict after five lost races.
    """
    releases = ReleaseLog(release_root)
    for _ in range(COMMITS_TRIED_MAX):
        following = decide(releases.current())
        if following is None:
            return None
        try:
            releases.append(following)
        except Conflict as exc:
            log.info("release_race_lost", generation=following.generation, reason=following.reason, cause=str(exc))
            continue
        log.info(
            "release_committed",
            pipeline=following.pipeline,
            generation=following.generation,
            reason=following.reason,
            champion=following.champion.version,
            author=following.author,
        )
        return following
    raise Conflict(
        f"lost {COMMITS_TRIED_MAX} races for the next release of {release_root}; look at who else is writing"
    )


def rollout_lock(release_root: Path) -> AbstractContextManager[None]:
    """Held by the one controller of a trial on this host and released when its process ends; Conflict when it is held.

    A challenger in the log while nobody holds the lock has been left behind by a controller that died.
    """
    held = f"another rollout is going on in {release_root}; wait for its end"
    return exclusive(release_root / "rollout.lock", seconds_max=LOCK_SECONDS_MAX, when_held=held)


def abort_trial(
    release_root: Path,
    digest: str | None,
    *,
    author: str,
    incident_id: str | None = None,
    note: str = "",
    condemned: bool = False,
) -> Release | None:
    """End the trial of `digest` (of any challenger when None); None when it has already ended.

    A `condemned` challenger did harm, which `note` tells: it is fenced by the same append.
    """
    following_of = condemnation_of if condemned else abort_of

    def decide(current: Release | None) -> Release | None:
        trial = current.challenger if current is not None else None
        if current is None or trial is None or (digest is not None and trial.model.digest != digest):
            return None
        return following_of(current, author=author, now=_now(), incident_id=incident_id, note=note)

    return commit_next(release_root, decide)


def drop_fallback(release_root: Path, digest: str, *, author: str, incident_id: str | None = None) -> Release | None:
    """Write the release again without a broken fallback; None when it is none any more."""

    def decide(current: Release | None) -> Release | None:
        if current is None or role_of(current, digest) is not Role.FALLBACK:
            return None
        return without_model(current, digest, author=author, now=_now(), incident_id=incident_id)

    return commit_next(release_root, decide)


def stranded_trial(release_root: Path) -> Release | None:
    """The current release if it has a challenger and no controller on this host is in charge of it."""
    current = ReleaseLog(release_root).current()
    if current is None or current.challenger is None:
        return None
    try:
        with rollout_lock(release_root):
            return current
    except Conflict:
        return None


def _now() -> datetime:
    return datetime.now(UTC)
