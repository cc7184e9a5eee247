"""Volume: the number of rows in the window, compared with the same weekdays of the weeks before."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import cast

from healing.verdict import Outcome, Verdict
from tasks.lake.columns import BATCH_DAY, FEATURES
from tasks.lake.lake_table import LakeTable
from tasks.monitoring.anomaly import AnomalyRule, AnomalySeries, judge_anomaly
from tasks.monitoring.check import CheckContext, monitor_check
from tasks.monitoring.diagnosis import Topic
from tasks.monitoring.monitored_model import WindowVerdict
from tasks.monitoring.windows import DayRange, windows_back

CHECK = "volume"
WINDOWS = 13  # a quarter of a year, with windows of one week
WEEKS = 4  # the median of a weekday in these weeks is its expected number of rows
# Changes of a few percent do not matter. One window with too few rows is enough to fail: it is a week of lost rows.
RULE = AnomalyRule(spread_min=0.03, history_min=4, needed=1, among=1)


@monitor_check(Topic.DATA)
def check_volume(context: CheckContext) -> tuple[WindowVerdict, ...]:
    """The newest window's number of rows relative to the expected number, compared with earlier windows."""
    model = context.model
    days = model.rules.window_days
    first = model.until - timedelta(days=days * WINDOWS + 7 * WEEKS)
    table = LakeTable(model.labels.lake_root, FEATURES, [model.labels.key])
    days_of_rows = table.read(since=first, until=model.until, columns=[BATCH_DAY])[BATCH_DAY]
    counts = cast("dict[date, int]", days_of_rows.value_counts().to_dict())
    windows = windows_back(model.until, days, WINDOWS, after=first)[::-1]
    return (WindowVerdict(windows[-1], judge_volume(counts, windows)),)


def judge_volume(counts: Mapping[date, int], windows: Sequence[DayRange]) -> Verdict:
    """The verdict on the newest of `windows` (oldest first), with `counts` of rows per day.

    Windows without enough known days before them are left out.
    """
    begun = min(counts, default=None)
    known = [window for window in windows if begun and window.since - timedelta(days=7 * WEEKS) >= begun]
    if not known:
        return Verdict(CHECK, Outcome.INCONCLUSIVE, f"{WEEKS} weeks of rows before a window needed", 0)
    found, expected = zip(*(_found_and_expected(counts, window) for window in known), strict=True)
    values = tuple(math.log((rows + 1) / (usual + 1)) for rows, usual in zip(found, expected, strict=True))
    shown = f"{found[-1]} rows, usually {expected[-1]:.0f}"
    return judge_anomaly(CHECK, AnomalySeries(values, found[-1], shown), RULE)


def _found_and_expected(counts: Mapping[date, int], window: DayRange) -> tuple[int, float]:
    """The rows of a window, and the sum of its weekdays' medians in the weeks before the window."""
    days = [window.since + timedelta(days=number) for number in range(window.days)]
    back = 1 + (window.days - 1) // 7  # whole weeks, so that no day of the window is among the days before
    usual = [median(counts.get(day - timedelta(weeks=back + w), 0) for w in range(WEEKS)) for day in days]
    return sum(counts.get(day, 0) for day in days), math.fsum(usual)
