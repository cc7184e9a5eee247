"""The release log: numbered documents in one folder, append only; the highest number is what should serve."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from healing.errors import Conflict, IllegalTransition, LogCorrupt, StoreUnavailable
from healing.fence import Fence, with_fence, without_fence
from healing.release import FALLBACKS_MAX, Challenger, ModelRef, Reason, Release, check_transition
from releases.document import decode_release, encode_release
from releases.release_root import ReleaseRoot
from releases.storage import storage_of

_FOLDER = "log"
_DOCUMENT = re.compile(r"\d+\.json")


class ReleaseLog:
    """The folder `log` of a release root.

    A commit is the exclusive create of the next number: of two writers one succeeds and the other gets Conflict, and a
    crash leaves either the old release or the new one.
    """

    def __init__(self, release_root: ReleaseRoot) -> None:
        self._storage = storage_of(release_root)
        self._folder = self._storage.where(_FOLDER)

    def latest_generation(self) -> int:
        """The highest generation, 0 for an empty log. One listing: cheap enough to poll."""
        return max(self.generations(), default=0)

    def generations(self) -> list[int]:
        """The generations that have a document, oldest first; empty when there is no log yet."""
        try:
            names = self._storage.names(_FOLDER)
            return sorted(int(name.removesuffix(".json")) for name in names if _DOCUMENT.fullmatch(name))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StoreUnavailable(f"the release log {self._folder} cannot be listed: {exc}") from exc

    def where(self, generation: int) -> str:
        """The place of a release's document, for messages."""
        return self._storage.where(document_name(generation))

    def read(self, generation: int) -> Release:
        name = document_name(generation)
        path = self.where(generation)
        try:
            content = self._storage.read(name)
        except FileNotFoundError as exc:
            raise LogCorrupt(
                f"generation {generation} is missing from {self._folder}; restore {name.removeprefix('log/')}"
            ) from exc
        except OSError as exc:
            raise StoreUnavailable(f"release {path} cannot be read: {exc}") from exc
        release = decode_release(content, origin=path)
        if release.generation != generation:
            raise LogCorrupt(f"{path} says it is generation {release.generation}")
        return release

    def current(self) -> Release | None:
        """What should serve, or None before the first release."""
        generation = self.latest_generation()
        return self.read(generation) if generation else None

    def history(self) -> list[Release]:
        """Every release, oldest first."""
        return [self.read(generation) for generation in range(1, self.latest_generation() + 1)]

    def append(self, release: Release, sign: Callable[[Release], Release] | None = None) -> None:
        """Commit `release` as the next generation, signed by `sign`; without it the document has no signature.

        Conflict when another writer has written that generation meanwhile, IllegalTransition when it may not follow the
        current one; the log is then unchanged.
        """
        current = self.current()
        if current is not None and release.generation <= current.generation:
            raise Conflict(
                f"generation {release.generation} of {release.pipeline} is taken (by {current.author}, reason "
                f"{current.reason}, the log is at {current.generation}); re-read the log and decide again"
            )
        check_transition(current, release)
        try:
            unsigned = replace(release, signature="")  # it may have that of the release that it was made from
            content = encode_release(sign(unsigned) if sign else unsigned)
            self._storage.create(document_name(release.generation), content)
        except FileExistsError as exc:
            raise Conflict(
                f"another writer committed generation {release.generation} first; re-read the log and decide again"
            ) from exc
        except OSError as exc:
            raise StoreUnavailable(f"release {release.generation} could not be written: {exc}") from exc

    def restore(self, release: Release) -> None:
        """Write the document of a release that was committed before, where it is missing or damaged."""
        name, content = document_name(release.generation), encode_release(release)
        if self._storage.has(name):
            self._storage.replace(name, content)
        else:
            self._storage.create(name, content)


def document_name(generation: int) -> str:
    """The name of a release's document below the release root."""
    return f"{_FOLDER}/{generation:08d}.json"


def promotion_of(
    current: Release,
    *,
    author: str,
    now: datetime,
    incident_id: str | None = None,
    note: str = "",
    served_before: bool = False,
) -> Release:
    """The release in which the challenger becomes champion and the old champion a warm fallback.

    Its reason is RETURN if the challenger was champion before.
    """
    if current.challenger is None:
        raise IllegalTransition(f"release {current.generation} has no challenger to promote")
    promoted = current.challenger.model
    warm = [m for m in (current.champion, *current.fallbacks) if m.digest != promoted.digest]
    return replace(
        _follow(current, Reason.RETURN if served_before else Reason.PROMOTE, author, now, incident_id, note),
        champion=promoted,
        fallbacks=tuple(warm[:FALLBACKS_MAX]),
    )


def trial_of(
    current: Release,
    challenger: Challenger,
    *,
    author: str,
    now: datetime,
    incident_id: str | None = None,
    note: str = "",
    unfenced_by: str | None = None,
) -> Release:
    """The release in which `challenger` gets its share of traffic, new or changed.

    IllegalTransition when it is fenced, unless `unfenced_by` names the person who lifts its fence with this release.
    """
    reason = Reason(challenger.mode.value)
    trial = replace(
        current,
        generation=current.generation + 1,
        created_at=now,
        author=author,
        reason=reason,
        challenger=challenger,
        incident_id=incident_id,
        note=note,
        fenced=_lifted(current, challenger.model, unfenced_by),
        unfenced_by=unfenced_by if current.fence_of(challenger.model.digest) else None,
    )
    without_itself = tuple(m for m in trial.fallbacks if m.digest != challenger.model.digest)
    return replace(trial, fallbacks=without_itself)


def abort_of(
    current: Release,
    *,
    author: str,
    now: datetime,
    incident_id: str | None = None,
    note: str = "",
    fence: bool = False,
) -> Release:
    """The release that aborts the trial; with `fence` it also fences the challenger, for the reason in `note`."""
    aborted = _follow(current, Reason.ABORT, author, now, incident_id, note)
    if not fence:
        return aborted
    if current.challenger is None:
        raise IllegalTransition(f"release {current.generation} has no challenger to abort and fence")
    return replace(aborted, fenced=with_fence(current.fenced, _fence(current.challenger.model, aborted)))


def rollback_of(
    current: Release,
    to: ModelRef,
    baseline: float,
    *,
    author: str,
    now: datetime,
    incident_id: str | None = None,
    note: str = "",
    fallbacks: Sequence[ModelRef] = (),
    unfenced_by: str | None = None,
) -> Release:
    """The release in which `to` is champion again and the champion that it replaces is fenced.

    `fallbacks` stay warm, except those two models and fenced ones. IllegalTransition when `to` is fenced, unless
    `unfenced_by` names the person who lifts its fence with this release.
    """
    following = _follow(current, Reason.ROLLBACK, author, now, incident_id, note)
    fenced = with_fence(_lifted(current, to, unfenced_by), _fence(current.champion, following))
    out = {to.digest, *(fence.digest for fence in fenced)}
    warm = [model for model in fallbacks if model.digest not in out]
    return replace(
        following,
        champion=to,
        fallbacks=tuple(warm[:FALLBACKS_MAX]),
        baseline=baseline,
        fenced=fenced,
        unfenced_by=unfenced_by if current.fence_of(to.digest) else None,
    )


def return_of(
    current: Release,
    to: ModelRef,
    baseline: float,
    *,
    author: str,
    now: datetime,
    incident_id: str | None = None,
    note: str = "",
) -> Release:
    """The release in which `to`, an earlier champion, is champion again and the current one a warm fallback."""
    warm = [model for model in (current.champion, *current.fallbacks) if model.digest != to.digest]
    return replace(
        _follow(current, Reason.RETURN, author, now, incident_id, note),
        champion=to,
        fallbacks=tuple(warm[:FALLBACKS_MAX]),
        baseline=baseline,
    )


def _lifted(current: Release, model: ModelRef, unfenced_by: str | None) -> tuple[Fence, ...]:
    """The fences, without that of `model` when a person lifts it."""
    return current.fenced if unfenced_by is None else without_fence(current.fenced, model.digest)


def _fence(model: ModelRef, release: Release) -> Fence:
    """The fence that `release` adds: by its author, for its reason."""
    return Fence(model.digest, model.version, release.created_at, release.author, release.note)


def _follow(
    current: Release, reason: Reason, author: str, now: datetime, incident_id: str | None, note: str
) -> Release:
    """`current` without its challenger, as the next generation."""
    return replace(
        current,
        generation=current.generation + 1,
        created_at=now,
        author=author,
        reason=reason,
        challenger=None,
        incident_id=incident_id,
        note=note,
        unfenced_by=None,
    )
