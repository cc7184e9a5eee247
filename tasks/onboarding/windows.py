"""Lengths of the windows for training, comparison and monitoring, guessed from how many rows arrive per day.

A window has enough rows for the test that it feeds, and enough days to show the spread between days. Where the file
has too few rows for that, each window gets a share of them.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

from healing.errors import UsageError
from tasks.config.monitor_section import Monitor
from tasks.config.retrain_section import Retrain
from tasks.evaluation.clustered import DAYS_MIN

_DAYS_NEEDED = DAYS_MIN + 3  # a comparison needs 7 days with rows, and some days before them are needed for training
_GAP_DAYS_PER_ROW = 35  # where rows come once a month
_GAP_DAYS_MAX = 3_650  # days without rows between the first and the last row; with more, a date is probably wrong
_HOLDOUT_DAYS = 14
HOLDOUT_ROWS = 1_200  # detects a loss of 0.02 per row
_HOLDOUT_SHARE = 1 / 4  # of all rows at most
_LOOKBACK_DAYS = 365
_LOOKBACK_DAYS_MIN = 28  # four weeks
_LOOKBACK_ROWS = 20_000  # fewer rows need more than a year
_LOOKBACK_ROWS_MAX = 300_000  # more rows need less than a year: they cost minutes and change little
_DENSE_ROWS = 2_000  # rows of the quietest day; with so many, one day has the power of a week
_SPARSE_WINDOW_DAYS = 182  # half a year: a change that takes longer to be noticed is noticed too late
_SPARSE_WINDOW_ROWS = 25  # of such a window: the mean of a column is known to a fifth of a standard deviation
_QUALITY_DAYS = 365  # of a window of labelled losses, where fewer days than those have enough rows
_QUALITY_ROWS = 30  # of such a window: an increase of 0.13 per row is detected
_WINDOW_ROWS = 200  # a window of inputs: the share of a category is known to 7 percentage points
_WINDOW_SHARE = 1 / 8  # of all rows at most
_WINDOWS_IN_REFERENCE = 4
_SPARSE_WINDOWS_IN_REFERENCE = 8  # small windows differ more by chance, and more of them show by how much
_REFERENCE_DAYS = 28  # at least: four weeks show what a weekday changes
_RARE_SHARE = 0.1  # of a class; a rarer one carries most of the information, so windows are measured by its rows
_RARE_HELD_OUT = 100  # rows of a rare class: a loss of a tenth more on them is detected
_RARE_TRAINED = 1_000
_COMPARE_ROWS_MAX = 1_000  # upper limit of the guesses for monitor.rows_min
_TRAIN_ROWS_MAX = 5_000  # upper limit of the guess for retrain.rows_min

# Standard deviation, per row, of the difference between the losses of two models, in nats or variances: a round figure
# between those of two comparisons on one generated file, 0.1 for two similar models and 0.5 for one and the base rate.
_LOSS_DIFFERENCE_SD = 0.28
_QUANTILES_SUM = 1.645 + 0.842  # of the normal distribution: false-alarm rate 0.05 on one side, probability 0.8


@dataclass(frozen=True, slots=True)
class WindowsGuess:
    """When rows arrived, and the windows that follow from it.

    `train_rows` and `held_out_rows` are the labelled rows of the first training, `window_rows` and `quality_rows` those
    that a monitored window of inputs, or of labelled losses, usually has.
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
    window_rows: int
    quality_days: int
    quality_rows: int
    rare_share: float | None = None  # of the rarer of two classes, if it is rare

    @property
    def days(self) -> int:
        """Calendar days from the first to the last row."""
        return (self.last - self.first).days + 1

    @property
    def train_from(self) -> date:
        """The first training day."""
        return self.train_until - timedelta(days=self.lookback_days - 1)

    @property
    def train_until(self) -> date:
        """The last training day."""
        return self.last - timedelta(days=self.holdout_days)

    @property
    def compare_rows_min(self) -> int:
        """Rows that a comparison and a monitored window need: half of what a window usually has."""
        return max(1, min(_COMPARE_ROWS_MAX, self.window_rows // 2))

    @property
    def train_rows_min(self) -> int:
        """Rows that a training needs: half of what the first training has."""
        return max(1, min(_TRAIN_ROWS_MAX, self.train_rows // 2))

    @property
    def rows_max(self) -> int:
        """Rows that a model is fitted on at most: the default, or as many as it takes to have 1,000 of a rare class."""
        return max(_default("rows_max"), math.ceil(_RARE_TRAINED / (self.rare_share or 1.0)))

    @property
    def holdout_rows_max(self) -> int:
        """Rows that models are compared on at most: the default, or those that have 100 of a rare class."""
        return max(_default("holdout_rows_max"), math.ceil(_RARE_HELD_OUT / (self.rare_share or 1.0)))

    @property
    def detected_loss(self) -> float:
        """The loss per row that a comparison detects with probability 0.8."""
        return detected_loss(min(self.held_out_rows, self.holdout_rows_max), self.rare_share)

    @property
    def detected_increase(self) -> float:
        """The increase of the loss per row that a window of labelled losses detects with probability 0.8."""
        return detected_loss(max(1, min(self.quality_rows, Monitor().rows_max)), self.rare_share)

    def unnoticed_shift(self, columns: int) -> float:
        """The shift of one of `columns` columns below which a monitored window probably does not detect it.

        In standard deviations, from the rows alone: the usual movement from week to week hides more.
        """
        rules = Monitor()
        quantiles = NormalDist().inv_cdf(1 - rules.drift_alpha / max(1, columns)) + NormalDist().inv_cdf(0.8)
        return max(rules.drift_distance_min, quantiles / math.sqrt(max(1, min(self.window_rows, rules.rows_max))))

    @property
    def loss_scale(self) -> float:
        """Tolerated losses relative to the defaults: the entropy of a rare class relative to that of an even one."""
        return 1.0 if self.rare_share is None else entropy(self.rare_share) / entropy(0.5)


def _default(setting: str) -> int:
    """The default of a setting of `retrain`."""
    return int(Retrain.model_fields[setting].default)


def detected_loss(rows: int, rare_share: float | None = None) -> float:
    """The difference in loss per row that a one-sided test at 0.05 on `rows` rows detects with probability 0.8.

    In nats for a probability, in variances of the label for a quantity. For a rare class, the spread of the losses is
    that of the label relative to an even class.
    """
    spread = 1.0 if rare_share is None else 2 * math.sqrt(rare_share * (1 - rare_share))
    return _QUANTILES_SUM * _LOSS_DIFFERENCE_SD * spread / math.sqrt(rows)


def entropy(share: float) -> float:
    """The log-loss per row of always predicting the share of a class, in nats."""
    return -share * math.log(share) - (1 - share) * math.log(1 - share)


def guess_windows(days: Iterable[date] | Counter[date], time_column: str, rarer_share: float = 0.5) -> WindowsGuess:
    """Windows for labelled rows on `days`. UsageError if the days are too few for a comparison.

    `days` has one entry per row, or the number of rows by day.

    `rarer_share` is the share of the rarer of two classes. Below 10 %, the windows get as many rows as it takes to have
    100 of that class to compare models on, and 1,000 to train on, if the file has them.
    """
    rare = rarer_share if 0 < rarer_share < _RARE_SHARE else None
    held_out_min = HOLDOUT_ROWS if rare is None else max(HOLDOUT_ROWS, math.ceil(_RARE_HELD_OUT / rare))
    trained_min = _LOOKBACK_ROWS if rare is None else max(_LOOKBACK_ROWS, math.ceil(_RARE_TRAINED / rare))
    rows = Counter(days)
    first, last = min(rows), max(rows)
    span = (last - first).days + 1
    _check_days(rows, time_column, span)
    holdout, held_out = _holdout(rows, span, held_out_min)
    lookback, trained = _lookback(rows, last - timedelta(days=holdout), span - holdout, trained_min)
    inner = sorted(count for day, count in rows.items() if first < day < last)  # the outer days may be incomplete
    quietest = inner[0] if len(rows) == span else 0
    window, quality = _window(rows, span, quietest), _quality_window(rows, span, holdout)
    blocks = _SPARSE_WINDOWS_IN_REFERENCE if window > _REFERENCE_DAYS else _WINDOWS_IN_REFERENCE
    return WindowsGuess(
        first=first,
        last=last,
        days_with_rows=len(rows),
        rows_per_day=inner[len(inner) // 2],
        rows_per_day_min=quietest,
        holdout_days=holdout,
        lookback_days=lookback,
        window_days=window,
        reference_days=max(_REFERENCE_DAYS, blocks * window),
        train_rows=trained,
        held_out_rows=held_out,
        window_rows=round(window * rows.total() / span),
        quality_days=quality,
        quality_rows=held_out if quality == holdout else round(quality * rows.total() / span),
        rare_share=rare,
    )


def _window(rows: Counter[date], span: int, quietest: int) -> int:
    """Days of a window of inputs: enough for 200 rows, or an eighth of all rows if that is less, on 7 days with rows.

    One day where each has enough rows. Where rows are sparse, at most half a year, if that has 25 rows.
    """
    if quietest >= _DENSE_ROWS:
        return 1
    days_per_row = span / rows.total()
    wanted = min(_WINDOW_ROWS, _WINDOW_SHARE * rows.total()) * days_per_row
    longest = max(_SPARSE_WINDOW_DAYS, _SPARSE_WINDOW_ROWS * days_per_row)
    return math.ceil(max(DAYS_MIN * span / len(rows), min(wanted, longest)))


def _quality_window(rows: Counter[date], span: int, holdout: int) -> int:
    """Days of a window of labelled losses: the held-out days, at most a year if that has 30 rows on 7 days."""
    enough = max(_QUALITY_ROWS * span / rows.total(), DAYS_MIN * span / len(rows))
    return min(holdout, max(_QUALITY_DAYS, math.ceil(enough)))


def _check_days(rows: Counter[date], time_column: str, span: int) -> None:
    first, last = min(rows), max(rows)
    if len(rows) < _DAYS_NEEDED:
        found = f"all on {first}" if len(rows) == 1 else f"on {len(rows)} days from {first} to {last}"
        raise UsageError(
            f"time {time_column!r}: expected labelled rows on at least {_DAYS_NEEDED} days ({DAYS_MIN} to compare "
            f"models on, and earlier days to train on), found them {found}; name another column, or collect more rows"
        )
    if span - len(rows) > max(_GAP_DAYS_MAX, _GAP_DAYS_PER_ROW * len(rows)):
        raise UsageError(
            f"time {time_column!r}: expected rows on most days, found {len(rows)} days with rows between {first} and "
            f"{last}; correct these dates if one of them is wrong"
        )


def _holdout(rows: Counter[date], span: int, rows_min: int) -> tuple[int, int]:
    """Number of held-out days, and of their rows.

    The fewest last days with `rows_min` rows, or a quarter of all rows if that is less, of which 7 have rows; two
    weeks if they are at most a quarter of all days.
    """
    newest = sorted(rows, reverse=True)
    wanted = min(rows_min, _HOLDOUT_SHARE * rows.total())
    held_out = enough = 0
    for with_rows, day in enumerate(newest, 1):
        held_out += rows[day]
        enough = (newest[0] - day).days + 1
        if held_out >= wanted and with_rows >= DAYS_MIN:
            break
    days = max(enough, min(_HOLDOUT_DAYS, span // 4))
    return days, sum(count for day, count in rows.items() if (newest[0] - day).days < days)


def _lookback(rows: Counter[date], until: date, days_max: int, rows_min: int) -> tuple[int, int]:
    """Number of training days up to `until`, and of their rows: a year, unless that is too few or too many rows."""
    trained = found = 0
    for days in range(1, days_max + 1):
        arrived = rows[until - timedelta(days=days - 1)]
        if days > _LOOKBACK_DAYS and trained >= rows_min:
            break
        if days > _LOOKBACK_DAYS_MIN and trained + arrived > max(_LOOKBACK_ROWS_MAX, rows_min):
            break
        trained, found = trained + arrived, days
    return found, trained
