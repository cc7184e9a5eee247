"""HTML reports on disk: kept while somebody may look at them, some 4 MB each."""

import time
from datetime import timedelta
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_REPORTS = "drift-*.html"


def prune_reports(directory: Path, kept: int, age_max: timedelta, newest: Path) -> int:
    """Delete all but the last `kept` reports, and those older than `age_max`; `newest` stays. Returns how many went."""
    found = sorted(directory.glob(_REPORTS), key=lambda path: path.stat().st_mtime, reverse=True)
    oldest = time.time() - age_max.total_seconds()
    gone = [path for place, path in enumerate(found) if place >= kept or path.stat().st_mtime < oldest]
    gone = [path for path in gone if path != newest]
    for path in gone:
        path.unlink(missing_ok=True)
    if gone:
        log.info("reports_deleted", directory=str(directory), reports=len(gone))
    return len(gone)
