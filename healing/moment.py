"""Points in time that a clock jump does not move: the wall clock for people, the boot clock for durations."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on one machine.

    `boot_seconds` counts from the start of the kernel that `boot_id` names, and continues while processes restart. Both
    are empty for a moment that an older version recorded.
    """

    wall: datetime
    boot_id: str = ""
    boot_seconds: float | None = None


def elapsed_seconds(earlier: Moment, later: Moment) -> float:
    """Seconds from `earlier` to `later`, never negative.

    Moments of one boot are compared on the boot clock, so that a step of the wall clock changes nothing. Others are
    compared on the wall clock.
    """
    same_boot = earlier.boot_id != "" and earlier.boot_id == later.boot_id
    if same_boot and earlier.boot_seconds is not None and later.boot_seconds is not None:
        return max(0.0, later.boot_seconds - earlier.boot_seconds)
    return max(0.0, (later.wall - earlier.wall).total_seconds())
