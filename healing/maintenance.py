"""Maintenance windows: times in which the healer starts no remedies, except those that serving needs at any time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from healing.incident import Cause, Remedy

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts

# These keep the service alive while people work on something else. `except` of a window replaces them.
SERVING_CRITICAL = frozenset({Remedy.ABORT_CANARY, Remedy.ROLLBACK})


@dataclass(frozen=True, slots=True)
class Once:
    """One period. Both ends have a time zone."""

    start: datetime
    end: datetime

    def open_until(self, now: datetime) -> datetime | None:
        """The end of the period that contains `now`; None outside of it."""
        return self.end if self.start <= now < self.end else None


@dataclass(frozen=True, slots=True)
class Weekly:
    """A period that begins on each of `days`, in local time. One that ends at or before its start ends the next day."""

    days: frozenset[str]
    start: time
    end: time
    zone: ZoneInfo

    def open_until(self, now: datetime) -> datetime | None:
        """The end of the period that contains `now`; None outside of it."""
        today = now.astimezone(self.zone).date()
        for day in (today, today - timedelta(days=1)):
            if WEEKDAYS[day.weekday()] not in self.days:
                continue
            last = day if self.end > self.start else day + timedelta(days=1)
            # Compared in UTC: Python ignores a change of daylight saving time between two local times of one zone.
            start = datetime.combine(day, self.start, self.zone).astimezone(UTC)
            end = datetime.combine(last, self.end, self.zone).astimezone(UTC)
            if start <= now < end:
                return end
        return None


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A schedule, and the remedies that the healer does not start meanwhile.

    They are held back for `causes` of `pipelines`; None stands for every pipeline.
    """

    name: str
    schedule: Once | Weekly
    causes: frozenset[Cause] = frozenset(Cause)
    remedies: frozenset[Remedy] = frozenset(Remedy) - SERVING_CRITICAL - {Remedy.ESCALATE}
    pipelines: frozenset[str] | None = None

    def concerns(self, pipeline: str, cause: Cause) -> bool:
        """Whether the window holds anything back for this cause of this pipeline."""
        return cause in self.causes and (self.pipelines is None or pipeline in self.pipelines)


def held_back(windows: Iterable[MaintenanceWindow], pipeline: str, cause: Cause, now: datetime) -> Mapping[Remedy, str]:
    """The remedies that may not start at `now`, each with the reason."""
    found: dict[Remedy, str] = {}
    for window in windows:
        until = window.schedule.open_until(now) if window.concerns(pipeline, cause) else None
        if until is not None:
            reason = f"maintenance {window.name!r} until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            found |= {remedy: reason for remedy in window.remedies if remedy not in found}
    return found
