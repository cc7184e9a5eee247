"""Maintenance windows: when they are open, across midnight and daylight saving time, and what they hold back."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from healing.incident import Cause, Remedy
from healing.maintenance import MaintenanceWindow, Once, Weekly, held_back

BERLIN = ZoneInfo("Europe/Berlin")
SUNDAY_NIGHT = Weekly(frozenset({"sun"}), time(22), time(2), BERLIN)
ONCE = Once(datetime(2026, 1, 4, 1, tzinfo=UTC), datetime(2026, 1, 4, 3, tzinfo=UTC))


def berlin(day, hour, minute=0, month=1):
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (berlin(4, 21, 59), False),  # 2026-01-04 is a Sunday
        (berlin(4, 22), True),
        (berlin(5, 1, 59), True),
        (berlin(5, 2), False),
        (berlin(5, 22), False),
        (berlin(4, 1), False),  # the night of Saturday
    ],
)
def test_a_weekly_window_crosses_midnight_in_its_own_time_zone(now, is_open):
    assert (SUNDAY_NIGHT.open_until(now) is not None) is is_open
    assert not is_open or SUNDAY_NIGHT.open_until(now) == berlin(5, 2)


def test_a_window_over_the_change_to_summer_time_ends_at_its_local_time():
    window = Weekly(frozenset({"sun"}), time(1), time(4), BERLIN)  # 2026-03-29: 02:00 becomes 03:00
    start, end = datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC)
    assert window.open_until(start) == end
    assert window.open_until(end) is None


def test_a_dated_window_is_open_from_its_start_until_its_end():
    assert ONCE.open_until(ONCE.start) == ONCE.end
    assert ONCE.open_until(ONCE.end) is None


def test_a_window_holds_back_its_remedies_and_not_those_that_serving_needs():
    held = held_back([MaintenanceWindow("patching", ONCE)], "flights", Cause.MODEL_FAILING, ONCE.start)
    assert held[Remedy.RESTART_WORKER] == "maintenance 'patching' until 2026-01-04 03:00 UTC"
    assert not {Remedy.ROLLBACK, Remedy.ABORT_CANARY, Remedy.ESCALATE} & set(held)
    assert not held_back([MaintenanceWindow("patching", ONCE)], "flights", Cause.MODEL_FAILING, ONCE.end)


def test_a_window_of_some_causes_and_pipelines_holds_back_nothing_of_others():
    window = MaintenanceWindow(
        "mirror", ONCE, frozenset({Cause.STALE_DATA}), frozenset({Remedy.RETRY}), frozenset({"flights"})
    )
    assert set(held_back([window], "flights", Cause.STALE_DATA, ONCE.start)) == {Remedy.RETRY}
    assert not held_back([window], "flights", Cause.MODEL_SLOW, ONCE.start)
    assert not held_back([window], "taxis", Cause.STALE_DATA, ONCE.start)
