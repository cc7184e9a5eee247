"""How many rows a day has: limits for the contract, and whether the newest day is complete."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from tasks.config.contract_section import Contract

_ROWS_MIN = 10  # per day; smaller counts vary too much for a limit
_COMPARED_DAYS_MIN = (
    10  # with fewer days that have the same weekdays before them, all days are compared with the median
)
_MARGIN, _WIDE_MARGIN = 2.0, 3.0  # factors beyond the observed extremes; the wide one without the same weekdays
_SHARE_MAX_MIN = 2.0  # twice the usual rows are never an incident


@dataclass(frozen=True, slots=True)
class DailyRows:
    """Rows per day of a file.

    `incomplete` is the newest day if it has less than half the rows of every other day, but the first. `share_min` and
    `share_max` are limits relative to the same weekday in the weeks before; None where the counts give no limit.
    """

    rows_min: int
    rows_min_why: str
    volume_why: str
    share_min: float | None = None
    share_max: float | None = None
    incomplete: date | None = None
    incomplete_rows: int = 0

    def whole(self, day: date) -> bool:
        """Whether the day comes before the incomplete one."""
        return self.incomplete is None or day < self.incomplete


def guess_daily_rows(days: Iterable[date] | Counter[date]) -> DailyRows:
    """Limits for rows on `days`: one entry per row, or the number of rows by day."""
    rows = Counter(days)
    newest = max(rows, default=None)
    incomplete = newest if newest is not None and _is_incomplete(rows, newest) else None
    count = rows.pop(incomplete) if incomplete is not None else 0
    if not rows:
        return DailyRows(0, "there are no rows", "there are no rows")
    first = min(rows)
    span = [first + timedelta(days=index) for index in range((max(rows) - first).days + 1)]
    fewest = min(rows[day] for day in span)
    rows_min_why = f"a quarter of the {fewest} rows of the quietest day" if fewest else "some days have no rows"
    reason = _why_no_volume(rows, span)
    low, high, volume_why = (None, None, reason) if reason else _volume(rows)
    return DailyRows(fewest // 4, rows_min_why, volume_why, low, high, incomplete, count)


def _is_incomplete(rows: Mapping[date, int], newest: date) -> bool:
    first = min(rows)
    inner = [count for day, count in rows.items() if first < day < newest]
    return len(inner) > 1 and 2 * rows[newest] < min(inner)


def _why_no_volume(rows: Counter[date], span: Sequence[date]) -> str:
    """Why the counts give no limit; empty if they do."""
    usual = median(rows.values())
    if usual < _ROWS_MIN:
        return f"not checked, because about {usual:g} rows per day vary too much"
    for weekday in {day.weekday() for day in rows}:
        empty = [day for day in span if day.weekday() == weekday and not rows[day]]
        if empty:
            return f"not checked, because some days, such as {empty[0]}, have no rows"
    return ""


def _volume(rows: Mapping[date, int]) -> tuple[float, float, str]:
    """The limits, and the reason for them."""
    shares, margin = list(_weekday_shares(rows)), _MARGIN
    compared = "the same weekday in the weeks before"
    if len(shares) < _COMPARED_DAYS_MIN:
        usual = median(rows.values())
        shares, margin, compared = [count / usual for count in rows.values()], _WIDE_MARGIN, "the median day"
    low, high = min(*shares, 1.0), max(*shares, 1.0)
    share_min = max(0.01, math.floor(100 * low / margin) / 100)
    share_max = max(_SHARE_MAX_MIN, math.ceil(10 * high * margin) / 10)
    return share_min, share_max, f"observed: {low:.2f} to {high:.2f} times the rows of {compared}"


def _weekday_shares(rows: Mapping[date, int]) -> Iterator[float]:
    """Per day, its rows relative to the median of the same weekday in the weeks before, as the contract computes it."""
    contract = Contract()
    for day, count in rows.items():
        weeks = (day - timedelta(weeks=week) for week in range(1, contract.history_weeks + 1))
        before = [rows[each] for each in weeks if each in rows]
        if len(before) >= contract.history_weekdays_min:
            yield count / median(before)
