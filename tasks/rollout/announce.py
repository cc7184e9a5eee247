"""Telling of a release after it is committed: the timeline, the event system, the registry's aliases and tags."""

from pathlib import Path

import structlog

from healing.errors import RegistryUnavailable
from healing.release import Release
from releases.store import ModelStore
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName, emit

log = structlog.get_logger(__name__)

COMMITTED = "release.committed"


def announce_release(ledger_dsn: str, release: Release) -> None:
    """Put a committed release on the timeline and tell whoever listens, once."""
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
        if release.generation in announced(ledger, release.pipeline):
            return
        ledger.record_entry(release.pipeline, COMMITTED, subject_of(release), detail)
    emit(EventName.RELEASE_COMMITTED, release.pipeline, detail)


def subject_of(release: Release) -> str:
    """What the journal calls a release."""
    return f"{release.pipeline}/{release.generation}"


def announced(ledger: Ledger, pipeline: str) -> frozenset[int]:
    """The generations among the latest ones that are on the timeline."""
    return frozenset(int(entry.subject.rpartition("/")[2]) for entry in ledger.entries(pipeline, COMMITTED, limit=200))


def mirror_release(tracking_uri: str, release: Release, release_root: Path) -> bool:
    """Bring MLflow's aliases and tags up to the release, for people to read; whether MLflow agrees with it now.

    They decide nothing, so an MLflow that is down is logged and the release stands; the next run of `heal` tries again.
    Models that MLflow never saw have nothing to set, which saves the seconds that importing MLflow takes.
    """
    store = ModelStore(release_root)
    trial = [] if release.challenger is None else [release.challenger.model]
    named = [release.champion, *release.fallbacks, *trial]
    if all(store.manifest(model.digest).mlflow_model_version is None for model in named):
        return True
    from tasks.training.mlflow_aliases import mirror_aliases

    try:
        mirror_aliases(tracking_uri, release.pipeline, release, release_root)
    except RegistryUnavailable as exc:
        log.warning("aliases_not_mirrored", generation=release.generation, cause=str(exc))
        return False
    return True
