"""Requests since the start, by how they ended.

They are counted in plain integers and become metrics when Prometheus asks: prometheus_client takes a lock per count,
and only the event loop's thread counts here.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.routing.request import Rung

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RequestCounts(Collector):
    """Requests since the start, by how they ended. Only the event loop's thread counts."""

    def __init__(self) -> None:
        self.answered: Counter[Rung] = Counter()
        self.refused: Counter[int] = Counter()
        self.rows = 0
        self.abandoned = 0
        self.shadow_rows: Counter[str] = Counter()
        self._in_bucket = [0] * (len(_LATENCY_BUCKETS) + 1)
        self._seconds = 0.0

    def answer(self, rung: Rung, rows: int, seconds: float) -> None:
        """Take an answered request, from its whole body read to its answer logged."""
        self.answered[rung] += 1
        self.rows += rows
        self._seconds += seconds
        self._in_bucket[bisect_left(_LATENCY_BUCKETS, seconds)] += 1

    def refuse(self, status: int) -> None:
        """Take a request that was not answered."""
        self.refused[status] += 1

    def collect(self) -> Iterator[Metric]:
        yield _by_label(
            "gateway_requests",
            "Answered requests by the rung that answered.",
            "rung",
            {rung.value: self.answered[rung] for rung in Rung},
        )
        yield _by_label(
            "gateway_requests_refused",
            "Requests not answered, by HTTP status.",
            "status",
            {str(status): count for status, count in self.refused.items()},
        )
        yield CounterMetricFamily("gateway_rows", "Rows answered.", value=self.rows)
        yield CounterMetricFamily(
            "gateway_requests_abandoned", "Requests whose client hung up before the answer.", value=self.abandoned
        )
        yield _by_label(
            "gateway_shadow_rows",
            "Rows copied to a shadow, by outcome.",
            "outcome",
            {outcome: self.shadow_rows[outcome] for outcome in ("scored", "failed", "dropped")},
        )
        edges = [*map(str, _LATENCY_BUCKETS), "+Inf"]
        yield HistogramMetricFamily(
            "gateway_request_duration_seconds",
            "From the whole body read to the answer logged.",
            buckets=list(zip(edges, accumulate(self._in_bucket), strict=True)),
            sum_value=self._seconds,
        )


def _by_label(name: str, documentation: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
