"""Metrics of the gateway itself: release, problems, background loops, prediction log, and the healer's snapshot."""

from collections.abc import Iterator
from pathlib import Path

from gateway.ports.state import GatewayState
from healing.incident import Cause
from releases.exposition import MetricDeclaration, MetricKind, Sample

DESIRED = MetricDeclaration(
    "gateway_release_generation_desired", MetricKind.GAUGE, "Generation of the newest release of the log; 0 without."
)
ACTIVE = MetricDeclaration(
    "gateway_release_generation_active", MetricKind.GAUGE, "Generation of the release that answers; 0 without."
)
PROBLEMS = MetricDeclaration("gateway_problems", MetricKind.GAUGE, "Problems now, by cause.", ("cause",))
WORKERS_READY = MetricDeclaration("gateway_workers_ready", MetricKind.GAUGE, "Workers that may get traffic.")
WORKERS_WANTED = MetricDeclaration(
    "gateway_workers_wanted", MetricKind.GAUGE, "Workers that the loaded versions should have."
)
UNLOGGED = MetricDeclaration(
    "gateway_unlogged_rows",
    MetricKind.GAUGE,
    "Rows answered since the start that are not in the prediction log; falls when the disk takes them again.",
)
EVENTS_DROPPED = MetricDeclaration(
    "gateway_events_dropped_total", MetricKind.COUNTER, "Events that did not reach Prefect."
)
SPANS = MetricDeclaration(
    "gateway_spans_total",
    MetricKind.COUNTER,
    "Spans of requests by what became of them: `exported`, `dropped` because too many waited, or `failed` because the "
    "collector did not take them. Only with `--traces-url`.",
    ("outcome",),
)
SPANS_WAITING = MetricDeclaration(
    "gateway_spans_waiting", MetricKind.GAUGE, "Spans that wait to be exported; bounded. Only with `--traces-url`."
)
LOOP_FAILURES = MetricDeclaration(
    "gateway_loop_failures_total", MetricKind.COUNTER, "Failed steps of a background loop.", ("loop",)
)
LOOP_FAILING = MetricDeclaration(
    "gateway_loop_failing", MetricKind.GAUGE, "1 while the last step of a background loop failed.", ("loop",)
)

METRICS = (
    DESIRED,
    ACTIVE,
    PROBLEMS,
    WORKERS_READY,
    WORKERS_WANTED,
    UNLOGGED,
    EVENTS_DROPPED,
    SPANS,
    SPANS_WAITING,
    LOOP_FAILURES,
    LOOP_FAILING,
)


def service_samples(state: GatewayState) -> Iterator[Sample]:
    """What holds now."""
    yield Sample(DESIRED, (), state.desired.generation if state.desired else 0)
    yield Sample(ACTIVE, (), state.active.release.generation if state.active else 0)
    yield Sample(WORKERS_READY, (), sum(version.workers.ready_count for version in state.versions))
    yield Sample(WORKERS_WANTED, (), sum(len(version.workers.all) for version in state.versions))
    yield Sample(UNLOGGED, (), state.log.unlogged)
    yield Sample(EVENTS_DROPPED, (), state.events_dropped)
    if state.tracer is not None:
        export = state.tracer.export
        for outcome, count in (("exported", export.exported), ("dropped", export.dropped), ("failed", export.failed)):
            yield Sample(SPANS, (outcome,), count)
        yield Sample(SPANS_WAITING, (), export.waiting)
    current = [problem.code for problem in state.problems]
    for cause in Cause:
        yield Sample(PROBLEMS, (cause.value,), current.count(cause))
    for loop in state.loop_states:
        yield Sample(LOOP_FAILURES, (loop.name,), loop.failures)
        yield Sample(LOOP_FAILING, (loop.name,), int(bool(loop.error)))


def control_plane_text(path: Path | None) -> bytes:
    """The metrics that the healer wrote last; nothing where there is no whole file."""
    if path is None:
        return b""
    try:
        text = path.read_bytes()
    except OSError:
        return b""
    return text if text.endswith(b"\n") else b""
