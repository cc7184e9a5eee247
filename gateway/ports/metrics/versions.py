"""Metrics per model version that has a worker. The series of a version end when it is unloaded."""

from collections import Counter
from collections.abc import Iterator, Sequence

from gateway.batching.versions import Version
from gateway.ports.state import GatewayState, role_of
from releases.exposition import MetricDeclaration, MetricKind, Sample

VERSION = ("version",)
ROLE = MetricDeclaration(
    "gateway_version_role",
    MetricKind.GAUGE,
    "1 for the role of a version: champion, challenger, fallback, or next while it loads for a later release.",
    ("version", "role"),
)
REQUESTS = MetricDeclaration(
    "gateway_version_requests_total",
    MetricKind.COUNTER,
    "Requests that a version answered or failed since it was loaded.",
    ("version", "outcome"),
)
DURATION = MetricDeclaration(
    "gateway_version_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "Time of requests that a version answered, with its queue.",
    VERSION,
)
BATCH_ROWS = MetricDeclaration(
    "gateway_version_batch_rows", MetricKind.HISTOGRAM, "Rows per answered batch of a version.", VERSION
)
BATCH_DURATION = MetricDeclaration(
    "gateway_version_batch_duration_seconds",
    MetricKind.SUMMARY,
    "Time of answered batches of a version, without its queue.",
    VERSION,
)
QUEUE_ROWS = MetricDeclaration(
    "gateway_version_queue_rows", MetricKind.GAUGE, "Rows that wait for a batch of a version.", VERSION
)
QUEUE_WAIT = MetricDeclaration(
    "gateway_version_queue_wait_seconds", MetricKind.GAUGE, "Expected wait of a request that came now.", VERSION
)
READY = MetricDeclaration(
    "gateway_version_ready", MetricKind.GAUGE, "1 while a worker of a version may get traffic.", VERSION
)
BREAKER_OPEN = MetricDeclaration(
    "gateway_version_breaker_open", MetricKind.GAUGE, "1 while the breaker keeps traffic away from a version.", VERSION
)
RESTARTS = MetricDeclaration(
    "gateway_version_restarts_total", MetricKind.COUNTER, "Restarts of the workers of a version.", VERSION
)
ERROR_RATIO = MetricDeclaration(
    "gateway_version_error_ratio", MetricKind.GAUGE, "Share of errors in a version's last 512 requests.", VERSION
)
LATENCY_P99 = MetricDeclaration(
    "gateway_version_latency_p99_seconds",
    MetricKind.GAUGE,
    "99 % quantile of the time of a version's last 512 answers.",
    VERSION,
)
CONFIDENCE = MetricDeclaration(
    "gateway_version_confidence_ratio",
    MetricKind.GAUGE,
    "Mean of |2p - 1| over a version's last 512 answers p.",
    VERSION,
)
CREATED = MetricDeclaration(
    "gateway_version_created_timestamp_seconds",
    MetricKind.GAUGE,
    "When the model of a version was trained, in Unix time.",
    VERSION,
)

METRICS = (
    *(ROLE, REQUESTS, DURATION, BATCH_ROWS, BATCH_DURATION, QUEUE_ROWS, QUEUE_WAIT, READY, BREAKER_OPEN),
    *(RESTARTS, ERROR_RATIO, LATENCY_P99, CONFIDENCE, CREATED),
)


def version_samples(state: GatewayState) -> Iterator[Sample]:
    """The samples of every version that has a worker."""
    release = state.active.release if state.active else None
    for version, name in zip(state.versions, version_names(state.versions), strict=True):
        yield Sample(ROLE, (name, role_of(version, release)), 1)
        yield from _traffic(version, name)
        yield from _worker(version, name)
        yield from _recent(version, name)


def version_names(versions: Sequence[Version]) -> list[str]:
    """The version numbers; with the begin of the digest where two models have the same number."""
    counts = Counter(each.model.version for each in versions)
    models = [each.model for each in versions]
    return [m.version if counts[m.version] == 1 else f"{m.version}+{m.digest[:12]}" for m in models]


def _traffic(version: Version, name: str) -> Iterator[Sample]:
    window, batcher = version.window, version.batcher
    yield Sample(REQUESTS, (name, "answered"), window.answered_total)
    yield Sample(REQUESTS, (name, "failed"), window.failed_total)
    yield Sample(DURATION, (name,), window.durations.distribution())
    yield Sample(BATCH_ROWS, (name,), batcher.record.batch_rows.distribution())
    yield Sample(BATCH_DURATION, (name,), batcher.record.durations)
    yield Sample(QUEUE_ROWS, (name,), batcher.pending_rows + batcher.large_rows)
    yield Sample(QUEUE_WAIT, (name,), batcher.wait_seconds)


def _worker(version: Version, name: str) -> Iterator[Sample]:
    yield Sample(READY, (name,), int(version.workers.ready))
    yield Sample(BREAKER_OPEN, (name,), int(not version.breaker.closed))
    yield Sample(RESTARTS, (name,), version.workers.restarts)
    if version.manifest is not None:
        yield Sample(CREATED, (name,), version.manifest.created_at.timestamp())


def _recent(version: Version, name: str) -> Iterator[Sample]:
    """The window of recent requests; nothing where it is empty."""
    recent = version.window.lately()
    if recent.requests:
        yield Sample(ERROR_RATIO, (name,), recent.errors / recent.requests)
    if recent.latency_p99_seconds is not None:
        yield Sample(LATENCY_P99, (name,), recent.latency_p99_seconds)
    if recent.confidence is not None:
        yield Sample(CONFIDENCE, (name,), recent.confidence)
