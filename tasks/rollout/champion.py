"""Loads the champion that the release log names."""

from pathlib import Path

from healing.errors import UsageError
from releases.loader import LoadedModel, load
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.store import ModelStore


def open_champion(release_root: ReleaseRoot, public_key: Path) -> LoadedModel | None:
    """The champion, None before the first release. ModelCorrupt when its bytes do not verify."""
    current = ReleaseLog(release_root).current()
    return None if current is None else load(ModelStore(release_root).fetch(current.champion.digest), public_key)


def require_champion(pipeline: str, release_root: ReleaseRoot, public_key: Path) -> LoadedModel:
    """The champion; UsageError before the first release."""
    champion = open_champion(release_root, public_key)
    if champion is None:
        raise UsageError(f"pipeline {pipeline!r} has no model yet; make one with `autopilot bootstrap {pipeline}`")
    return champion
