"""The clock of this machine: wall time for people, and the boot clock for durations.

The boot clock also counts while the machine sleeps, is the same in every process, and ignores steps of the wall clock.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from healing.moment import Moment, elapsed_seconds

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def current_moment() -> Moment:
    """This moment."""
    return Moment(datetime.now(UTC), _boot_id(), boot_seconds())


def boot_seconds() -> float:
    """Seconds since this machine started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Counts the seconds since a recorded moment. A step of the wall clock changes nothing once it runs."""

    before_seconds: float  # passed when it was started
    started: Moment
    clock: Callable[[], Moment]

    @classmethod
    def since(cls, at: Moment, clock: Callable[[], Moment] = current_moment) -> "Stopwatch":
        """Starts it. A time that is still ahead counts as now."""
        now = clock()
        return cls(elapsed_seconds(at, now), now, clock)

    def seconds(self) -> float:
        """Seconds since the recorded moment."""
        return self.before_seconds + elapsed_seconds(self.started, self.clock())


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
