"""The gateway's Prometheus metrics. Labels take few values: rungs, roles, causes, statuses, never digests."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from gateway.ports.request_counts import RequestCounts
from gateway.ports.state import GatewayState, role_of
from healing.incident import Cause
from healing.trial_evidence import GUARD_CHECKS


class Metrics:
    """One registry per gateway, so that two of them may live in one process, as in tests."""

    def __init__(self, requests: RequestCounts) -> None:
        self.registry = CollectorRegistry()
        self._requests = requests
        self.registry.register(requests)
        self.unlogged = self._gauge("gateway_unlogged_rows", "Rows answered without being logged, since the start.")
        self.generation_desired = self._gauge("gateway_release_generation_desired", "Newest release of the log.")
        self.generation_active = self._gauge("gateway_release_generation_active", "Active release.")
        self.problems = self._gauge("gateway_problems", "Problems now, by cause.", "cause")
        self.workers_ready = self._gauge("gateway_workers_ready", "Workers that may get traffic.")
        self.worker_restarts = self._gauge("gateway_worker_restarts", "Restarts of the active workers.")
        self.error_share = self._gauge(
            "gateway_version_error_share", "Share of errors in a version's last 512 requests, by role.", "role"
        )
        self.latency_p99_seconds = self._gauge(
            "gateway_version_latency_p99_seconds",
            "99 % quantile of the duration of a version's last 512 answers, by role.",
            "role",
        )
        self.confidence = self._gauge(
            "gateway_version_confidence", "Mean of |2p - 1| over a version's last 512 answers p, by role.", "role"
        )
        self.trial_log_e = self._gauge(
            "gateway_trial_log_e", "Natural log of the e-value of each check of a trial; 0 without one.", "check"
        )
        self.events_dropped = self._gauge(
            "gateway_events_dropped", "Events that did not reach Prefect, since the start."
        )

    def refresh(self, state: GatewayState) -> None:
        """Set the gauges to what holds now; requests are counted as they end."""
        self.unlogged.set(state.log.unlogged)
        self.generation_desired.set(state.desired.generation if state.desired else 0)
        self.generation_active.set(state.active.release.generation if state.active else 0)
        self.workers_ready.set(sum(version.worker.ready for version in state.versions))
        self.worker_restarts.set(sum(version.worker.restarts for version in state.versions))
        self._requests.abandoned = state.requests.hangups.ended
        self._requests.shadow_rows = state.shadow_rows
        self.events_dropped.set(state.events_dropped)
        current = [problem.code for problem in state.problems]
        for cause in Cause:
            self.problems.labels(cause.value).set(current.count(cause))
        evidence = {} if state.trial is None else {each.check: each.log_e for each in state.trial.guard.states()}
        for check in GUARD_CHECKS:
            self.trial_log_e.labels(check.value).set(evidence.get(check, 0.0))
        self._set_versions(state)

    def _set_versions(self, state: GatewayState) -> None:
        active = state.active.release if state.active else None
        for gauge in (self.error_share, self.latency_p99_seconds, self.confidence):
            gauge.clear()  # a role that no version has any more has no value
        for version in state.versions:
            role, recent = role_of(version, active), version.window.lately()
            if recent.requests:
                self.error_share.labels(role).set(recent.errors / recent.requests)
            if recent.latency_p99_seconds is not None:
                self.latency_p99_seconds.labels(role).set(recent.latency_p99_seconds)
            if recent.confidence is not None:
                self.confidence.labels(role).set(recent.confidence)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
