"""Rows a day against the same weekdays before."""

from datetime import date, timedelta

import numpy as np

from healing.verdict import Outcome
from tasks.monitoring.checks.volume import judge_rows
from tasks.monitoring.windows import windows_back

FIRST = date(2013, 1, 6)
DAYS = 7 * 14


def judge(seed=0, *, last_share=1.0, days=DAYS):
    """Weeks with quiet Saturdays; the last one has `last_share` of its rows."""
    generator = np.random.default_rng(seed)
    usual = [600 if (FIRST + timedelta(days=number)).weekday() == 5 else 900 for number in range(days)]
    counts = {FIRST + timedelta(days=number): int(generator.poisson(rows)) for number, rows in enumerate(usual)}
    until = FIRST + timedelta(days=days - 1)
    for number in range(7):
        counts[until - timedelta(days=number)] = int(counts[until - timedelta(days=number)] * last_share)
    windows = windows_back(until, 7, 13, after=FIRST - timedelta(days=1))[::-1]
    return judge_rows({day: rows for day, rows in counts.items() if rows}, windows)


def test_usual_weeks_raise_no_alarm():
    assert sum(judge(seed).failed for seed in range(200)) == 0


def test_a_week_with_half_of_its_rows_is_found_and_so_is_one_with_none():
    assert all(judge(seed, last_share=0.5).failed for seed in range(200))
    assert judge(last_share=0.0).failed
    assert judge(last_share=2.0).failed


def test_a_short_past_is_inconclusive():
    assert judge(days=7 * 7).outcome is Outcome.INCONCLUSIVE
    assert judge(days=7 * 3).outcome is Outcome.INCONCLUSIVE
