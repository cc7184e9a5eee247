"""Means over rows that are clustered by day: rows of one day depend on each other, so a day is one observation."""

from healing.clustered import ClusteredMean, DaySum, clustered_mean

__all__ = ["ClusteredMean", "DaySum", "clustered_mean"]
