"""Counts of values by upper bound, in plain integers, for the metrics.

prometheus_client takes a lock per observed value; here only the event loop's thread counts.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from releases.exposition import Distribution

LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BATCH_ROWS = tuple(2.0**power for power in range(11))  # 1 … 1024; the default limit of a batch is 256 rows


class Histogram:
    """Values since the start. `total` is their sum."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Take one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def distribution(self) -> Distribution:
        """The counts now, cumulative as Prometheus stores them."""
        cumulative = list(accumulate(self._counts))
        edges = [*map(str, self._bounds), "+Inf"]
        return Distribution(cumulative[-1], self.total, list(zip(edges, map(float, cumulative), strict=True)))
