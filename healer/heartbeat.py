"""The healer's heartbeat: a small file that a supervisor reads, so that a healer that hangs is noticed."""

import os
import time
from pathlib import Path

AGE_SECONDS_MAX = 30.0  # the longest step: a rollback that verifies three champions


def heartbeat_file(home: Path, pipeline: str) -> Path:
    """Where the healer of the pipeline writes its heartbeat."""
    return home / "healer" / f"{pipeline}.heartbeat"


def beat(path: Path) -> None:
    """Record that the healer is alive. A full disk is no reason to stop healing: then only the time is changed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path)
    except OSError:
        return


def is_alive(path: Path, age_seconds_max: float = AGE_SECONDS_MAX) -> bool:
    """Whether the heartbeat is young enough."""
    try:
        return time.time() - path.stat().st_mtime <= age_seconds_max
    except OSError:
        return False
