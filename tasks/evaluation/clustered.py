"""Means over rows that are clustered by day: rows of one day depend on each other, so a day is one observation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DAYS_MIN = 7  # with fewer days, the spread between days is not known well enough; a week also has its own pattern


@dataclass(frozen=True, slots=True)
class DaySum:
    """A day's number of rows, and the sum of the quantity over them."""

    rows: int
    total: float


@dataclass(frozen=True, slots=True)
class ClusteredMean:
    """A mean over all rows, with the standard error between days. `degrees` of freedom is the number of days - 1."""

    value: float
    standard_error: float
    degrees: int

    def lower(self, tail: float) -> float:
        """The one-sided lower confidence bound: the true mean is below it with probability `tail`."""
        return self.value - self._margin(tail)

    def upper(self, tail: float) -> float:
        """The one-sided upper confidence bound."""
        return self.value + self._margin(tail)

    def tail_above(self, bound: float) -> float:
        """The p-value of the null hypothesis that the true mean is `bound` or more."""
        from scipy.stats import t

        if self.standard_error == 0:  # all days have the same mean
            return 0.0 if self.value < bound else 1.0
        return float(t.sf((bound - self.value) / self.standard_error, self.degrees))

    def tail_below(self, bound: float) -> float:
        """The p-value of the null hypothesis that the true mean is `bound` or less."""
        return ClusteredMean(-self.value, self.standard_error, self.degrees).tail_above(-bound)

    def _margin(self, tail: float) -> float:
        from scipy.stats import t

        return self.standard_error * float(t.isf(tail, self.degrees))


def clustered_mean(days: Sequence[DaySum]) -> ClusteredMean:
    """The ratio estimator of cluster sampling (Cochran, *Sampling Techniques*, 6.3 and 9A), in the quantity's unit.

    The standard error is computed from the deviations of day totals from `mean * rows`, so that days count by their
    number of rows. ValueError with fewer than two days.
    """
    filled = [day for day in days if day.rows > 0]
    if len(filled) < 2:
        raise ValueError(f"expected rows on two days or more, found {len(filled)}; a spread needs two days")
    rows = sum(day.rows for day in filled)
    mean = math.fsum(day.total for day in filled) / rows
    squares = math.fsum((day.total - mean * day.rows) ** 2 for day in filled)
    variance = squares * len(filled) / (len(filled) - 1) / rows**2
    return ClusteredMean(value=mean, standard_error=math.sqrt(variance), degrees=len(filled) - 1)
