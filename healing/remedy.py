"""How remedies change a release: what a broken model is to it, and which model may take its place."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from healing.incident import Remedy
from healing.release import ModelRef, Reason, Release

LONG_REMEDIES = frozenset({Remedy.RETRAIN})  # minutes: carried by their own flow run
UNDONE = frozenset({Reason.ROLLBACK})  # a champion that was left this way was bad


class Role(StrEnum):
    """What a model is to a release."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    FALLBACK = "fallback"
    ABSENT = "absent"


def role_of(release: Release | None, digest: str) -> Role:
    """The role of the model with this digest."""
    if release is None:
        return Role.ABSENT
    if release.champion.digest == digest:
        return Role.CHAMPION
    if release.challenger is not None and release.challenger.model.digest == digest:
        return Role.CHALLENGER
    return Role.FALLBACK if any(model.digest == digest for model in release.fallbacks) else Role.ABSENT


def discarded(history: Sequence[Release]) -> frozenset[str]:
    """Digests that some rollback left behind, unless a later promotion took them back. `history` is oldest first."""
    bad: set[str] = set()
    for previous, following in pairwise(history):
        if following.reason is Reason.PROMOTE:
            bad.discard(following.champion.digest)
        elif following.reason in UNDONE:
            bad.add(previous.champion.digest)
            bad.discard(following.champion.digest)
    return frozenset(bad)


def rollback_candidates(history: Sequence[Release], broken: Collection[str] = ()) -> tuple[ModelRef, ...]:
    """Models that may become champion again, best first: warm fallbacks, then earlier champions, newest first.

    Those that an earlier rollback left come last: their bytes may be whole again, and the caller verifies each. Without
    the present champion and the `broken`. Empty for an empty log.
    """
    if not history:
        return ()
    current = history[-1]
    by_digest: dict[str, ModelRef] = {}
    for model in (*current.fallbacks, *(release.champion for release in reversed(history))):
        by_digest.setdefault(model.digest, model)
    left_behind = discarded(history)
    able = [model for digest, model in by_digest.items() if digest not in {current.champion.digest, *broken}]
    return tuple(sorted(able, key=lambda model: model.digest in left_behind))


def without_model(current: Release, digest: str, *, author: str, now: datetime, incident_id: str | None) -> Release:
    """The release that follows `current` without a broken fallback, its champion and any trial unchanged."""
    return replace(
        current,
        generation=current.generation + 1,
        created_at=now,
        author=author,
        reason=Reason.REPUBLISH,
        fallbacks=tuple(model for model in current.fallbacks if model.digest != digest),
        incident_id=incident_id,
        note=f"without fallback {digest[:12]}",
    )
