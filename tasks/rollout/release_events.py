"""Notifications about a committed release: ledger timeline, Prefect event, and MLflow's aliases and tags.

A process may die between a commit and its notifications, and MLflow may be down. `republish_events` sends what is
missing; the ledger records what was sent.
"""

import structlog

from healing.errors import RegistryUnavailable
from healing.release import Release
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName, emit

log = structlog.get_logger(__name__)

COMMITTED = "release.committed"
MIRRORED = "release.mirrored"
RELEASES_CHECKED_MAX = 30  # the latest ones; no page shows older ones any more


def announce_release(ledger_dsn: str, release: Release) -> None:
    """Record a committed release on the timeline and emit its event, both once."""
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
        if release.generation in _announced(ledger, release.pipeline):
            return
        ledger.record_entry(release.pipeline, COMMITTED, _subject_of(release), detail)
    emit(EventName.RELEASE_COMMITTED, release.pipeline, detail)


def republish_events(settings: Settings, pipeline: str) -> None:
    """Announce the latest releases that were not announced, and mirror the current one if MLflow does not show it.

    Safe to repeat.
    """
    announce_missed(settings, pipeline)
    mirror_missed(settings, pipeline)


def announce_missed(settings: Settings, pipeline: str) -> None:
    """Announce, oldest first, the releases that the timeline lacks, among them the gateway's own aborts."""
    releases = ReleaseLog(settings.release_root(pipeline))
    latest = releases.latest_generation()
    with Ledger(settings.ledger_dsn) as ledger:
        known = _announced(ledger, pipeline)
    for generation in range(max(1, latest - RELEASES_CHECKED_MAX + 1), latest + 1):
        if generation not in known:
            announce_release(settings.ledger_dsn, releases.read(generation))


def mirror_missed(settings: Settings, pipeline: str) -> None:
    """Update MLflow to the current release, unless the ledger records that it was updated."""
    root = settings.release_root(pipeline)
    current = ReleaseLog(root).current()
    if current is None:
        return
    with Ledger(settings.ledger_dsn) as ledger:
        if any(entry.subject == _subject_of(current) for entry in ledger.entries(pipeline, MIRRORED)):
            return
        if mirror_release(settings.tracking_uri, current, root):
            ledger.record_entry(pipeline, MIRRORED, _subject_of(current), {"generation": current.generation})


def mirror_release(tracking_uri: str, release: Release, release_root: ReleaseRoot) -> bool:
    """Set MLflow's aliases and tags as the release says; returns whether MLflow agrees with it now.

    They inform people and decide nothing: when MLflow is down, that is logged, the release stands, and the next run of
    `heal` tries again. Models that MLflow does not know have nothing to set, which saves the seconds of its import.
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


def _subject_of(release: Release) -> str:
    """The journal's name for a release."""
    return f"{release.pipeline}/{release.generation}"


def _announced(ledger: Ledger, pipeline: str) -> frozenset[int]:
    """Which of the latest generations are on the timeline."""
    return frozenset(int(entry.subject.rpartition("/")[2]) for entry in ledger.entries(pipeline, COMMITTED, limit=200))
