"""How many rows came, against the same weekdays of the weeks before."""

import math
from collections.abc import Mapping
from datetime import date, timedelta
from statistics import median
from typing import cast

from healing.anomaly import AnomalyRule, Series, judge_anomaly
from healing.verdict import Outcome, Verdict
from tasks.lake.columns import BATCH_DAY, FEATURES
from tasks.lake.lake_table import LakeTable
from tasks.monitoring.monitored_model import Judged, Subject
from tasks.monitoring.windows import DayRange, windows_back

CHECK = "volume"
WINDOWS = 13  # a quarter of a year of weeks
WEEKS = 4  # of which the median of a weekday is what is usual
# A few percent more or less is nobody's business. One thin window is enough: it is a week's loss of rows.
RULE = AnomalyRule(spread_min=0.03, history_min=4, needed=1, among=1)


def judge_volume(subject: Subject) -> Judged:
    """Rows of the newest window against what its weekdays had, and against how far earlier windows were from that."""
    days = subject.rules.window_days
    first = subject.until - timedelta(days=days * WINDOWS + 7 * WEEKS)
    table = LakeTable(subject.labels.lake_root, FEATURES, [subject.labels.key])
    days_of_rows = table.read(since=first, until=subject.until, columns=[BATCH_DAY])[BATCH_DAY]
    counts = cast("dict[date, int]", days_of_rows.value_counts().to_dict())
    windows = windows_back(subject.until, days, WINDOWS, after=first)[::-1]
    return Judged(windows[-1], judge_rows(counts, windows))


def judge_rows(counts: Mapping[date, int], windows: tuple[DayRange, ...]) -> Verdict:
    """The newest of the windows (oldest first) by `counts` of rows a day; earlier ones of days unknown are left out."""
    begun = min(counts, default=None)
    known = [window for window in windows if begun and window.since - timedelta(days=7 * WEEKS) >= begun]
    if not known:
        return Verdict(CHECK, Outcome.INCONCLUSIVE, f"{WEEKS} weeks before a window are needed", 0)
    found, usual = zip(*(_rows(counts, window) for window in known), strict=True)
    values = tuple(math.log((rows + 1) / (expected + 1)) for rows, expected in zip(found, usual, strict=True))
    return judge_anomaly(CHECK, Series(values, found[-1], f"{found[-1]} rows, usually {usual[-1]:.0f}"), RULE)


def _rows(counts: Mapping[date, int], window: DayRange) -> tuple[int, float]:
    """Rows of a window, and the sum of its weekdays' medians in the weeks before the window."""
    days = [window.since + timedelta(days=number) for number in range(window.days)]
    back = 1 + (window.days - 1) // 7  # whole weeks, so that no day of the window itself says what is usual
    usual = [median(counts.get(day - timedelta(weeks=back + w), 0) for w in range(WEEKS)) for day in days]
    return sum(counts.get(day, 0) for day in days), math.fsum(usual)
