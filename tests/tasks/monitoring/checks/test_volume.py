"""Rows of a window compared with the same weekdays before."""

from datetime import date, timedelta

import numpy as np

from healing.verdict import Outcome
from tasks.monitoring.checks.volume import judge_volume
from tasks.monitoring.windows import windows_back

FIRST = date(2013, 1, 6)
DAYS = 7 * 14


def judge(seed=0, *, last_share=1.0, days=DAYS):
    """Weeks with fewer rows on Saturdays; the last week has `last_share` of its rows."""
    generator = np.random.default_rng(seed)
    usual = [600 if (FIRST + timedelta(days=number)).weekday() == 5 else 900 for number in range(days)]
    counts = {FIRST + timedelta(days=number): int(generator.poisson(rows)) for number, rows in enumerate(usual)}
    until = FIRST + timedelta(days=days - 1)
    for number in range(7):
        counts[until - timedelta(days=number)] = int(counts[until - timedelta(days=number)] * last_share)
    windows = windows_back(until, 7, 13, after=FIRST - timedelta(days=1))[::-1]
    return judge_volume({day: rows for day, rows in counts.items() if rows}, windows)


def test_usual_weeks_never_fail():
    assert sum(judge(seed).failed for seed in range(200)) == 0


def test_weeks_with_half_none_or_twice_the_rows_fail():
    assert all(judge(seed, last_share=0.5).failed for seed in range(200))
    assert judge(last_share=0.0).failed
    assert judge(last_share=2.0).failed


def test_a_short_history_is_inconclusive():
    assert judge(days=7 * 7).outcome is Outcome.INCONCLUSIVE
    assert judge(days=7 * 3).outcome is Outcome.INCONCLUSIVE
