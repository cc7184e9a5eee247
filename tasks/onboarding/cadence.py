"""How often rows come, and from that how long the windows are that learn, compare and watch."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from healing.errors import UsageError
from tasks.evaluation.clustered import DAYS_MIN

_DAYS_NEEDED = DAYS_MIN + 3  # a comparison takes 7 days with rows, and something has to be learned before
_DAYS_LOST_MAX = 3_650  # between the first and the last row without any; more, and a date is likely wrong
_HOLDOUT_DAYS = 14
_LOOKBACK_DAYS_MAX = 365


@dataclass(frozen=True, slots=True)
class Cadence:
    """When rows came, and the windows that follow; `learned` and `held_out` are rows of the first training."""

    first: date
    last: date
    days_with_rows: int
    rows_a_day: int
    rows_a_day_min: int
    holdout_days: int
    lookback_days: int
    window_days: int
    reference_days: int
    learned: int
    held_out: int

    @property
    def span(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def compare_rows_min(self) -> int:
        """Rows below which neither a comparison nor a window says anything: half of what a window usually has."""
        return max(1, min(1000, DAYS_MIN * self.rows_a_day // 2))

    @property
    def learn_rows_min(self) -> int:
        return max(1, min(5000, self.learned // 2))


def guess_cadence(days: Sequence[date], time_column: str) -> Cadence:
    """Windows for rows on `days`, one entry a labelled row. UsageError when they are too few to compare anything."""
    rows = Counter(days)
    first, last = min(rows), max(rows)
    span = (last - first).days + 1
    if len(rows) < _DAYS_NEEDED:
        found = f"all on {first}" if len(rows) == 1 else f"on {len(rows)} days from {first} to {last}"
        raise UsageError(
            f"time {time_column!r}: expected labelled rows on at least {_DAYS_NEEDED} days (models are compared on "
            f"{DAYS_MIN}, after those they learn from), found {found}; name another column, or gather more"
        )
    if span - len(rows) > max(_DAYS_LOST_MAX, 20 * len(rows)):
        raise UsageError(
            f"time {time_column!r}: expected rows on most days, found {len(rows)} days with rows between {first} and "
            f"{last}; is one of these dates wrong?"
        )
    holdout = _holdout_days(rows, last, span)
    window = math.ceil(DAYS_MIN * span / len(rows))
    held_out = sum(count for day, count in rows.items() if day > last - timedelta(days=holdout))
    inner = sorted(count for day, count in rows.items() if first < day < last)  # the outer ones may be cut off
    return Cadence(
        first=first,
        last=last,
        days_with_rows=len(rows),
        rows_a_day=inner[len(inner) // 2],
        rows_a_day_min=inner[0] if len(rows) == span else 0,
        holdout_days=holdout,
        lookback_days=min(_LOOKBACK_DAYS_MAX, span - holdout),
        window_days=window,
        reference_days=max(DAYS_MIN, 4 * window),
        learned=len(days) - held_out,
        held_out=held_out,
    )


def _holdout_days(rows: Counter[date], last: date, span: int) -> int:
    """The fewest last days of which 7 have rows; a fortnight where there is data enough for that."""
    with_rows = sorted(rows, reverse=True)[DAYS_MIN - 1]
    fewest = (last - with_rows).days + 1
    return max(fewest, min(_HOLDOUT_DAYS, span // 4))
