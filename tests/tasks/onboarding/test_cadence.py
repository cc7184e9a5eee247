from datetime import date, timedelta

import pytest

from healing.errors import UsageError
from tasks.onboarding.cadence import guess_cadence

FIRST = date(2024, 1, 1)


def days(*indexes, rows=10):
    return [FIRST + timedelta(days=index) for index in indexes for _ in range(rows)]


def test_daily_rows_are_compared_on_a_fortnight_and_watched_by_the_week():
    found = guess_cadence(days(*range(100), rows=200), "at")
    assert (found.holdout_days, found.lookback_days, found.window_days) == (14, 86, 7)
    assert (found.rows_a_day_min, found.compare_rows_min, found.learn_rows_min) == (200, 700, 5000)


def test_windows_are_long_enough_for_seven_days_with_rows_where_there_are_gaps():
    found = guess_cadence(days(*range(0, 210, 7)), "at")
    assert found.holdout_days >= 43
    assert found.window_days == 48
    assert found.rows_a_day_min == 0


@pytest.mark.parametrize(
    ("indexes", "message"),
    [([0], "found all on 2024-01-01"), (range(5), "on 5 days from"), ([*range(12), -20_000], "is one of these dates")],
)
def test_days_that_no_comparison_can_use_are_refused_in_one_line(indexes, message):
    with pytest.raises(UsageError, match=message):
        guess_cadence(days(*indexes), "at")
