"""Telling of a release after it is committed: the timeline, the event system, the registry's aliases."""

from pathlib import Path

import structlog

from healing.errors import RegistryUnavailable
from healing.release import Release
from releases.store import ModelStore
from tasks.events import EventName, emit
from tasks.ledger.ledger import Ledger

log = structlog.get_logger(__name__)


def announce_release(ledger_dsn: str, release: Release) -> None:
    """Put a committed release on the timeline and tell whoever listens."""
    trial = release.challenger
    detail: dict[str, object] = {
        "generation": release.generation,
        "reason": release.reason.value,
        "champion": release.champion.version,
        "champion_digest": release.champion.digest,
        "challenger": None if trial is None else trial.model.version,
        "weight": None if trial is None else trial.weight,
        "author": release.author,
        "incident_id": release.incident_id,
    }
    with Ledger(ledger_dsn) as ledger:
        ledger.note(release.pipeline, "release.committed", f"{release.pipeline}/{release.generation}", detail)
    emit(EventName.RELEASE_COMMITTED, release.pipeline, detail)


def mirror_release(tracking_uri: str, release: Release, release_root: Path) -> bool:
    """Set MLflow's aliases to the release, for people to read; whether MLflow took them.

    They decide nothing, so an MLflow that is down is logged and the release stands; the next release sets them again.
    A champion that MLflow never saw has no alias to set, which saves the seconds that importing MLflow takes.
    """
    if ModelStore(release_root).manifest(release.champion.digest).mlflow_model_version is None:
        return False
    from tasks.training.registry import mirror_aliases

    try:
        mirror_aliases(tracking_uri, release.pipeline, release, release_root)
    except RegistryUnavailable as exc:
        log.warning("aliases_not_mirrored", generation=release.generation, cause=str(exc))
        return False
    return True
