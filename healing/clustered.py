"""Means of rows that fall into days: flights of one stormy day fail together, so a day counts as one observation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from healing.student import upper_quantile, upper_tail


@dataclass(frozen=True, slots=True)
class DaySum:
    """A day's number of rows and the sum of the quantity over them."""

    rows: int
    total: float


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean over all rows, with the standard error that its days allow. `degrees` is days - 1."""

    value: float
    standard_error: float
    degrees: int

    def lower(self, tail: float) -> float:
        """The one-sided lower confidence bound that the truth undershoots with probability `tail`."""
        return self.value - self._margin(tail)

    def upper(self, tail: float) -> float:
        """The one-sided upper confidence bound."""
        return self.value + self._margin(tail)

    def tail_above(self, bound: float) -> float:
        """The p-value of the null that the truth is `bound` or more: small where the mean lies far below it."""
        if self.standard_error == 0:  # every day says the same
            return 0.0 if self.value < bound else 1.0
        return upper_tail((bound - self.value) / self.standard_error, self.degrees)

    def _margin(self, tail: float) -> float:
        return self.standard_error * upper_quantile(tail, self.degrees)


def clustered_mean(days: Sequence[DaySum]) -> ClusteredMean:
    """The ratio estimator of cluster sampling (Cochran, *Sampling Techniques*, 6.3 and 9A), needs two days or more.

    Unit: that of the quantity. The standard error is over day totals' departure from `mean * rows`, so days of unequal
    size weigh by their rows.
    """
    filled = [day for day in days if day.rows > 0]
    if len(filled) < 2:
        raise ValueError(f"a spread between days needs two days with rows, found {len(filled)}")
    rows = sum(day.rows for day in filled)
    mean = math.fsum(day.total for day in filled) / rows
    squares = math.fsum((day.total - mean * day.rows) ** 2 for day in filled)
    variance = squares * len(filled) / (len(filled) - 1) / rows**2
    return ClusteredMean(value=mean, standard_error=math.sqrt(variance), degrees=len(filled) - 1)
