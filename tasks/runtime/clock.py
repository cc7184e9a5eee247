"""The clock of this machine: wall time for people, and the boot clock for durations.

The boot clock also counts while the machine sleeps, is the same in every process, and ignores steps of the wall clock.
"""

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from healing.moment import Moment

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def current_moment() -> Moment:
    """This moment."""
    return Moment(datetime.now(UTC), _boot_id(), boot_seconds())


def boot_seconds() -> float:
    """Seconds since this machine started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()
