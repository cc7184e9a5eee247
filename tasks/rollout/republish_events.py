"""Telling what was committed and not told: whoever wrote the release died first, or MLflow was down."""

from releases.log import ReleaseLog
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tasks.rollout.announce import announce_release, announced, mirror_release, subject_of

MIRRORED = "release.mirrored"
RELEASES_LOOKED_AT = 30  # a release that so many have followed is on no screen any more


def finish_telling(settings: Settings, pipeline: str) -> None:
    """Announce the releases that nobody announced, and mirror the current one where nobody did. Safe to repeat."""
    announce_untold(settings, pipeline)
    mirror_untold(settings, pipeline)


def announce_untold(settings: Settings, pipeline: str) -> None:
    """Put on the timeline, oldest first, what is in the log and not there; the gateway's own aborts are among it."""
    releases = ReleaseLog(settings.release_root(pipeline))
    latest = releases.latest_generation()
    with Ledger(settings.ledger_dsn) as ledger:
        told = announced(ledger, pipeline)
    for generation in range(max(1, latest - RELEASES_LOOKED_AT + 1), latest + 1):
        if generation not in told:
            announce_release(settings.ledger_dsn, releases.read(generation))


def mirror_untold(settings: Settings, pipeline: str) -> None:
    """Bring MLflow up to the current release, unless the ledger says that it is."""
    root = settings.release_root(pipeline)
    current = ReleaseLog(root).current()
    if current is None:
        return
    with Ledger(settings.ledger_dsn) as ledger:
        if any(entry.subject == subject_of(current) for entry in ledger.entries(pipeline, MIRRORED)):
            return
        if mirror_release(settings.tracking_uri, current, root):
            ledger.record_entry(pipeline, MIRRORED, subject_of(current), {"generation": current.generation})
