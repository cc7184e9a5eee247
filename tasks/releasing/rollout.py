"""Changes of what serves: each re-reads the release log until its decision is written or no longer needed."""

import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from healing.errors import Conflict, ModelCorrupt, UsageError
from healing.release import ModelRef, Release
from healing.remedy import Role, role_of, rollback_candidates, without_model
from releases.log import ReleaseLog, abort_of, condemnation_of, rollback_of
from releases.store import ModelStore

log = structlog.get_logger(__name__)

COMMITS_TRIED_MAX = 5  # lost races in a row; writers are few and each commits within milliseconds


class NothingToRollBackTo(UsageError):
    """No earlier model is whole; only a new one can help."""


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


@contextmanager
def rollout_lock(release_root: Path) -> Iterator[None]:
    """Held by the one controller of a trial on this host and given up with its process; Conflict when it is taken.

    A challenger in the log while nobody holds the lock has been left behind by a controller that died.
    """
    release_root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(release_root / "rollout.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Conflict(f"another rollout is going on in {release_root}; wait for its end") from exc
        yield
    finally:
        os.close(descriptor)


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


def roll_back(
    release_root: Path,
    public_key: Path,
    *,
    author: str,
    to: str | None = None,
    away_from: str | None = None,
    broken: Collection[str] = (),
    incident_id: str | None = None,
    note: str = "",
) -> Release:
    """The release in which an earlier, whole model is champion.

    `to` names it (version, or the first digits of its digest), else it is the best candidate that verifies and is not
    `broken`. With `away_from`, nothing is written when that model is not champion any more. NothingToRollBackTo when no
    candidate is whole, UsageError when there is no such model.
    """
    releases = ReleaseLog(release_root)
    if releases.latest_generation() == 0:
        raise UsageError(f"there is no release in {release_root}; make the first one with `autopilot bootstrap`")

    def decide(current: Release | None) -> Release | None:
        assert current is not None  # the log is append-only and was not empty
        if away_from is not None and current.champion.digest != away_from:
            return None
        history = releases.history()
        candidates = rollback_candidates(history, broken)
        if to is not None:
            candidates = (_named(to, rollback_candidates(history), current),)
        whole = _whole_models(release_root, candidates, public_key)
        if not whole:
            raise NothingToRollBackTo(
                f"{_listed(candidates)}: none of these earlier models is whole; publish a new one"
            )
        chosen = whole[0]
        baseline = ModelStore(release_root).manifest(chosen.digest).baseline
        return rollback_of(
            current,
            chosen,
            baseline,
            author=author,
            now=_now(),
            incident_id=incident_id,
            note=note,
            fallbacks=[model for model in whole[1:] if model in current.fallbacks],
        )

    written = commit_next(release_root, decide)
    if written is not None:
        return written
    current = releases.current()
    assert current is not None
    return current


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


def _whole_models(release_root: Path, candidates: Sequence[ModelRef], public_key: Path) -> list[ModelRef]:
    """The candidates whose signature and every byte hold, in the same order."""
    store = ModelStore(release_root)
    whole = []
    for model in candidates:
        try:
            store.verify(model.digest, public_key)
        except ModelCorrupt as exc:
            log.warning("rollback_candidate_refused", digest=model.digest, version=model.version, cause=str(exc))
            continue
        whole.append(model)
    return whole


def _named(to: str, candidates: Sequence[ModelRef], current: Release) -> ModelRef:
    if to in (current.champion.version, current.champion.digest):
        raise UsageError(f"{to} is champion already; name one of {_listed(candidates)}")
    found = [model for model in candidates if model.version == to or (len(to) >= 6 and model.digest.startswith(to))]
    if len(found) != 1:
        problem = "several models are" if found else "no earlier model is"
        raise UsageError(f"{problem} called {to!r}; name one of {_listed(candidates)}")
    return found[0]


def _listed(models: Sequence[ModelRef]) -> str:
    return ", ".join(f"{model.version} ({model.digest[:12]})" for model in models) or "no earlier model"


def _now() -> datetime:
    return datetime.now(UTC)
