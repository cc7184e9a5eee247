from datetime import date, timedelta

import pytest

from tasks.ingestion.sources import ServedDays
from tasks.onboarding.dry_run import chosen_days

FIRST = date(2000, 1, 1)


def served(days: int, rows_per_day: float) -> ServedDays:
    return ServedDays(first=FIRST, last=FIRST + timedelta(days=days - 1), rows_per_day=rows_per_day)


@pytest.mark.parametrize(("days", "rows_per_day"), [(40, 20.0), (300, 100.0), (4, 10_000.0)])
def test_all_days_of_a_small_file_are_validated(days, rows_per_day):
    assert len(chosen_days(served(days, rows_per_day))) == days


@pytest.mark.parametrize(
    ("days", "rows_per_day"), [(18_159, 1.0), (3_640, 1 / 7), (9_000, 1 / 30), (944, 48.0), (90, 11_000.0)]
)
def test_of_a_large_file_days_from_the_first_to_the_last_are_validated(days, rows_per_day):
    chosen = chosen_days(served(days, rows_per_day))
    assert (chosen[0], chosen[-1]) == (FIRST, FIRST + timedelta(days=days - 1))
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= 400
    assert len(chosen) * rows_per_day <= 50_000
