"""What Prometheus may ask. Labels take few values: rungs, roles, causes and statuses, never clients, keys or digests.

Requests are counted in plain integers and become metrics when somebody asks: prometheus_client takes a lock for each
count, and only one thread counts here.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.serving import Rung

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
            "Rows copied to a shadow, by what became of them.",
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


class Metrics:
    """One registry a gateway, so that two of them may live in one process, as in tests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = RequestCounts()
        self.registry.register(self.requests)
        self.unlogged = self._gauge("gateway_unlogged_rows", "Rows answered without being logged, since the start.")
        self.generation_desired = self._gauge("gateway_release_generation_desired", "Newest release of the log.")
        self.generation_active = self._gauge("gateway_release_generation_active", "Release on duty.")
        self.problems = self._gauge("gateway_problems", "Problems now, by cause.", "cause")
        self.workers_ready = self._gauge("gateway_workers_ready", "Workers that may get traffic.")
        self.worker_restarts = self._gauge("gateway_worker_restarts", "Restarts of the workers on duty.")
        self.error_share = self._gauge(
            "gateway_version_error_share", "Share of errors in a version's last 512 requests, by role.", "role"
        )
        self.latency_p99_seconds = self._gauge(
            "gateway_version_latency_p99_seconds",
            "What 99 % of a version's last 512 answers took at most, by role.",
            "role",
        )
        self.confidence = self._gauge(
            "gateway_version_confidence", "Mean of |2p - 1| over a version's last 512 answers p, by role.", "role"
        )
        self.trial_log_e = self._gauge(
            "gateway_trial_log_e", "Natural log of the e-value of each check of a trial; 0 without one.", "check"
        )
        self.events_dropped = self._gauge(
            "gateway_events_dropped", "Events that never reached Prefect, since the start."
        )

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def refused(self, status: int) -> None:
        self.requests.refused[status] += 1

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
