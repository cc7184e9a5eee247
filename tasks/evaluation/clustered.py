"""Means over rows that are clustered by day: rows of one day depend on each other, so a day is one observation."""

from healing.clustered import ClusteredMean, DaySum, clustered_mean

__all__ = ["DAYS_MIN", "ClusteredMean", "DaySum", "clustered_mean"]

DAYS_MIN = 7  # with fewer days, the spread between days is not known well enough; a week also has its own pattern
