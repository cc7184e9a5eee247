"""Windows of whole days."""

from datetime import date

from tasks.monitoring.windows import DayRange, windows_back


def test_windows_are_adjacent_and_do_not_overlap():
    windows = windows_back(date(2013, 3, 28), days=14, count=2, after=date(2013, 2, 28))
    assert windows == (
        DayRange(date(2013, 3, 15), date(2013, 3, 28)),
        DayRange(date(2013, 3, 1), date(2013, 3, 14)),
    )
    assert {window.days for window in windows} == {14}


def test_no_window_contains_a_training_or_acceptance_day():
    assert len(windows_back(date(2013, 3, 28), days=14, count=5, after=date(2013, 2, 28))) == 2
    assert windows_back(date(2013, 3, 13), days=14, count=5, after=date(2013, 2, 28)) == ()
