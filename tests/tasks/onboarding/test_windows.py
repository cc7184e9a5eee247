from datetime import date, timedelta

import pytest

from healing.errors import UsageError
from tasks.onboarding.windows import guess_windows

FIRST = date(2024, 1, 1)


def days(*indexes, rows=10):
    return [FIRST + timedelta(days=index) for index in indexes for _ in range(rows)]


def test_daily_rows_get_14_held_out_days_and_windows_of_a_week():
    found = guess_windows(days(*range(100), rows=200), "at")
    assert (found.holdout_days, found.lookback_days, found.window_days) == (14, 86, 7)
    assert (found.rows_per_day_min, found.compare_rows_min, found.train_rows_min) == (200, 700, 5000)


def test_windows_contain_seven_days_with_rows_if_some_days_have_none():
    found = guess_windows(days(*range(0, 210, 7)), "at")
    assert found.holdout_days >= 43
    assert found.window_days == 48
    assert found.rows_per_day_min == 0


@pytest.mark.parametrize(
    ("indexes", "message"),
    [
        ([0], "found them all on 2024-01-01"),
        (range(5), "on 5 days from"),
        ([*range(12), -20_000], "if one of them is wrong"),
    ],
)
def test_too_few_days_for_a_comparison_are_refused_in_one_line(indexes, message):
    with pytest.raises(UsageError, match=message):
        guess_windows(days(*indexes), "at")
