"""The healer's heartbeat: a small file that a supervisor reads, so that a healer that hangs is noticed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.runtime.clock import boot_seconds

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
    """Whether the heartbeat is young by the wall clock, for one look; a time that is far ahead says nothing."""
    try:
        return abs(time.time() - path.stat().st_mtime) <= age_seconds_max
    except OSError:
        return False


@dataclass(slots=True)
class HeartbeatReader:
    """Reads one heartbeat again and again. It is young if it has changed lately, on the reader's own clock.

    The time of the file is the wall clock's: after a step of that clock it would be young or old for as long as the
    step was.
    """

    path: Path
    age_seconds_max: float = AGE_SECONDS_MAX
    clock: Callable[[], float] = boot_seconds
    _seen: tuple[int, float] | None = field(default=None, init=False)  # time of the file, and when it was first read

    def is_alive(self) -> bool:
        """Whether the heartbeat is there and has changed within `age_seconds_max`, or is read for the first time."""
        try:
            changed = self.path.stat().st_mtime_ns
        except OSError:
            self._seen = None
            return False
        now = self.clock()
        if self._seen is None or self._seen[0] != changed:
            self._seen = (changed, now)
        return now - self._seen[1] <= self.age_seconds_max
