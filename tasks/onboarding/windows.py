"""Lengths of the windows for training, comparison and monitoring, guessed from how often rows arrive."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from healing.errors import UsageError
from tasks.evaluation.clustered import DAYS_MIN

_DAYS_NEEDED = DAYS_MIN + 3  # a comparison needs 7 days with rows, and some days before them are needed for training
_GAP_DAYS_MAX = 3_650  # days without rows between the first and the last row; with more, a date is probably wrong
_HOLDOUT_DAYS = 14
_LOOKBACK_DAYS_MAX = 365
_COMPARE_ROWS_MAX = 1_000  # upper limit of the guesses for monitor.rows_min
_TRAIN_ROWS_MAX = 5_000  # upper limit of the guess for retrain.rows_min


@dataclass(frozen=True, slots=True)
class WindowsGuess:
    """When rows arrived, and the windows that follow from it.

    `train_rows` and `held_out_rows` are the labelled rows of the first training.
    """

    first: date
    last: date
    days_with_rows: int
    rows_per_day: int
    rows_per_day_min: int
    holdout_days: int
    lookback_days: int
    window_days: int
    reference_days: int
    train_rows: int
    held_out_rows: int

    @property
    def days(self) -> int:
        """Calendar days from the first to the last row."""
        return (self.last - self.first).days + 1

    @property
    def compare_rows_min(self) -> int:
        """Rows that a comparison and a monitored window need: half of what a window usually has."""
        return max(1, min(_COMPARE_ROWS_MAX, DAYS_MIN * self.rows_per_day // 2))

    @property
    def train_rows_min(self) -> int:
        """Rows that a training needs: half of what the first training has."""
        return max(1, min(_TRAIN_ROWS_MAX, self.train_rows // 2))


def guess_windows(days: Sequence[date], time_column: str) -> WindowsGuess:
    """Windows for labelled rows on `days` (one entry per row). UsageError if the days are too few for a comparison."""
    rows = Counter(days)
    first, last = min(rows), max(rows)
    span = (last - first).days + 1
    _check_days(rows, time_column, span)
    holdout = _holdout_days(rows, last, span)
    window = math.ceil(DAYS_MIN * span / len(rows))
    held_out = sum(count for day, count in rows.items() if day > last - timedelta(days=holdout))
    inner = sorted(count for day, count in rows.items() if first < day < last)  # the outer days may be incomplete
    return WindowsGuess(
        first=first,
        last=last,
        days_with_rows=len(rows),
        rows_per_day=inner[len(inner) // 2],
        rows_per_day_min=inner[0] if len(rows) == span else 0,
        holdout_days=holdout,
        lookback_days=min(_LOOKBACK_DAYS_MAX, span - holdout),
        window_days=window,
        reference_days=max(DAYS_MIN, 4 * window),
        train_rows=len(days) - held_out,
        held_out_rows=held_out,
    )


def _check_days(rows: Counter[date], time_column: str, span: int) -> None:
    first, last = min(rows), max(rows)
    if len(rows) < _DAYS_NEEDED:
        found = f"all on {first}" if len(rows) == 1 else f"on {len(rows)} days from {first} to {last}"
        raise UsageError(
            f"time {time_column!r}: expected labelled rows on at least {_DAYS_NEEDED} days ({DAYS_MIN} to compare "
            f"models on, and earlier days to train on), found them {found}; name another column, or collect more rows"
        )
    if span - len(rows) > max(_GAP_DAYS_MAX, 20 * len(rows)):
        raise UsageError(
            f"time {time_column!r}: expected rows on most days, found {len(rows)} days with rows between {first} and "
            f"{last}; correct these dates if one of them is wrong"
        )


def _holdout_days(rows: Counter[date], last: date, span: int) -> int:
    """The fewest last days of which 7 have rows; 14 days if they are at most a quarter of all days."""
    seventh_last = sorted(rows, reverse=True)[DAYS_MIN - 1]
    fewest = (last - seventh_last).days + 1
    return max(fewest, min(_HOLDOUT_DAYS, span // 4))
