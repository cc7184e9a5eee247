"""Limits for the rows of a day, and the newest day that is left for later."""

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import pytest

from tasks.config.contract_section import Contract
from tasks.config.table import Volume
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.onboarding.daily_rows import guess_daily_rows

FIRST = date(2024, 1, 1)  # a Monday


def days(counts: Iterable[int]) -> list[date]:
    return [FIRST + timedelta(days=index) for index, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize("newest", [1, 8, 29])
def test_a_newest_day_with_less_than_half_the_rows_of_the_others_is_left_for_later(newest):
    found = guess_daily_rows(days([60] * 20 + [newest]))
    assert (found.incomplete, found.incomplete_rows) == (FIRST + timedelta(days=20), newest)
    assert found.whole(FIRST + timedelta(days=19))
    assert not found.whole(FIRST + timedelta(days=20))
    assert found.rows_min == 15  # of the whole days


@pytest.mark.parametrize("counts", [[60] * 20 + [31], [60, 60, 15, 60, 60, 9], [3, 1, 2, 1, 3, 1], [60], []])
def test_a_usual_newest_day_is_complete(counts):
    assert guess_daily_rows(days(counts)).incomplete is None


def test_a_first_day_with_few_rows_is_accepted():
    found = guess_daily_rows(days([2] + [60] * 30))
    assert (found.rows_min, found.incomplete) == (0, None)


@pytest.mark.parametrize("weekend", [60, 20, 0])
def test_the_file_is_within_its_limits_and_ten_times_the_rows_are_not(weekend):
    generator = np.random.default_rng(0)
    counts = [int(generator.poisson(weekend if index % 7 > 4 else 60)) for index in range(50)]
    found = guess_daily_rows(days(counts))
    Volume(share_min=found.share_min, share_max=found.share_max)  # the section accepts them
    by_day = {FIRST + timedelta(days=index): count for index, count in enumerate(counts) if count}
    usual = {day: BatchHistory(by_day).usual_rows(day, Contract()) for day in by_day}
    shares = [by_day[day] / rows for day, rows in usual.items() if rows]
    assert found.share_min < min(shares)
    assert max(shares) < found.share_max < 10


@pytest.mark.parametrize(
    ("counts", "why"), [([4] * 50, "vary too much"), ([60, 60, 60, 60, 0, 60, 60] * 2 + [60] * 20, "have no rows")]
)
def test_without_a_usual_number_of_rows_there_is_no_limit_and_a_reason(counts, why):
    found = guess_daily_rows(days(counts))
    assert found.share_min is found.share_max is None
    assert why in found.volume_why


def test_a_short_file_is_compared_with_its_median_day():
    found = guess_daily_rows(days([60, 50, 70, 60, 55, 65, 60, 60, 62, 58, 60]))
    assert (found.share_min, found.share_max) == (0.27, 3.5)
    assert "the median day" in found.volume_why
