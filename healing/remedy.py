"""Roles of models in a release, and the models that may become champion after a rollback."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from healing.release import ModelRef, Reason, Release


class Role(StrEnum):
    """The role of a model in a release."""

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


def passed_trial(previous: Release, following: Release) -> bool:
    """Whether `following` ends the trial of `previous` with its challenger, new or an earlier champion, as champion."""
    tried = previous.challenger
    ends = following.reason in (Reason.PROMOTE, Reason.RETURN)
    return ends and tried is not None and tried.model.digest == following.champion.digest


def served_well(history: Sequence[Release]) -> Mapping[str, datetime]:
    """When each earlier champion was last replaced by a promotion or a return. `history` is oldest first.

    Leaves out models that a rollback replaced last, fenced models and the current champion.
    """
    left: dict[str, datetime] = {}
    for previous, following in pairwise(history):
        if following.champion.digest == previous.champion.digest:
            continue
        left.pop(following.champion.digest, None)
        left.pop(previous.champion.digest, None)
        if following.reason in (Reason.PROMOTE, Reason.RETURN):
            left[previous.champion.digest] = following.created_at
    return {digest: at for digest, at in left.items() if history[-1].fence_of(digest) is None}


def earlier_models(history: Sequence[Release]) -> tuple[ModelRef, ...]:
    """Warm fallbacks in their order, then earlier champions, newest first; fenced ones too, without the current one."""
    if not history:
        return ()
    current = history[-1]
    by_digest: dict[str, ModelRef] = {}
    for model in (*current.fallbacks, *(release.champion for release in reversed(history))):
        by_digest.setdefault(model.digest, model)
    by_digest.pop(current.champion.digest, None)
    return tuple(by_digest.values())


def rollback_candidates(history: Sequence[Release], broken: Collection[str] = ()) -> tuple[ModelRef, ...]:
    """Models that may become champion again, best first: those that served well, warm ones before others, newest first.

    Then warm models that never served, and last those that a rollback replaced and that have no fence: their files may
    be intact again, and the caller verifies each model. Never a fenced model or one of the `broken`.
    """
    well = served_well(history)
    able = [m for m in earlier_models(history) if m.digest not in broken and history[-1].fence_of(m.digest) is None]
    return tuple(sorted(able, key=lambda model: model.digest not in well))


def without_model(current: Release, digest: str, *, author: str, now: datetime, incident_id: str | None) -> Release:
    """The release that follows `current` without one fallback; champion and trial stay."""
    return replace(
        current,
        generation=current.generation + 1,
        created_at=now,
        author=author,
        reason=Reason.REPUBLISH,
        fallbacks=tuple(model for model in current.fallbacks if model.digest != digest),
        incident_id=incident_id,
        note=f"without fallback {digest[:12]}",
        unfenced_by=None,
    )
