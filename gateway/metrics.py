"""What Prometheus may ask. Labels take few values: rungs, causes and reasons, never clients, keys or digests."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.ladder import Rung

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a gateway, so that two of them may live in one process, as in tests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter(
            "gateway_requests_total", "Answered requests by the rung that answered.", ["rung"], registry=self.registry
        )
        self.answered = {rung: requests.labels(rung.value) for rung in Rung}
        refused = Counter(
            "gateway_requests_refused_total",
            "Requests not answered, by HTTP status.",
            ["status"],
            registry=self.registry,
        )
        self._refused = refused
        self.rows = Counter("gateway_rows_total", "Rows answered.", registry=self.registry)
        self.seconds = Histogram(
            "gateway_request_duration_seconds",
            "From the whole body read to the answer logged.",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.unlogged = self._gauge("gateway_unlogged_rows", "Rows answered without being logged, since the start.")
        self.generation_desired = self._gauge("gateway_release_generation_desired", "Newest release of the log.")
        self.generation_active = self._gauge("gateway_release_generation_active", "Release on duty.")
        self.problems = Gauge("gateway_problems", "Problems now, by cause.", ["cause"], registry=self.registry)
        self.workers_ready = self._gauge("gateway_workers_ready", "Workers that may get traffic.")
        self.worker_restarts = self._gauge("gateway_worker_restarts", "Restarts of the workers on duty.")
        self.canary_log_e = self._gauge(
            "gateway_canary_log_e", "Natural log of the canary's e-value; 0 without a trial."
        )
        self.events_dropped = self._gauge(
            "gateway_events_dropped", "Events that never reached Prefect, since the start."
        )

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self.registry)

    def refused(self, status: int) -> None:
        self._refused.labels(str(status)).inc()

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
