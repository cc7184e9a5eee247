"""Metrics of requests: how they ended, how long they took, and how many are in progress."""

from collections.abc import Iterator

from gateway.ports.state import GatewayState
from gateway.routing.request import Rung
from gateway.wire.protocol import PROTOCOLS
from releases.exposition import MetricDeclaration, MetricKind, Sample

ANSWERED = MetricDeclaration(
    "gateway_requests_total",
    MetricKind.COUNTER,
    "Answered requests by the rung that answered; `fallback` and `baseline` are degraded answers.",
    ("rung",),
)
BY_PROTOCOL = MetricDeclaration(
    "gateway_protocol_requests_total",
    MetricKind.COUNTER,
    "Answered requests by protocol: `mlflow`, `open-inference` (over HTTP) or `open-inference-grpc`.",
    ("protocol",),
)
FAILED = MetricDeclaration(
    "gateway_requests_failed_total",
    MetricKind.COUNTER,
    "Valid requests without an answer: no release, too much to do, or an error of the gateway.",
)
REFUSED = MetricDeclaration(
    "gateway_requests_refused_total",
    MetricKind.COUNTER,
    "Requests with another status than 200, by status; also those of clients that made a mistake.",
    ("status",),
)
ABANDONED = MetricDeclaration(
    "gateway_requests_abandoned_total", MetricKind.COUNTER, "Requests whose client hung up before the answer."
)
IN_FLIGHT = MetricDeclaration("gateway_requests_in_flight", MetricKind.GAUGE, "Requests read and not yet answered.")
DURATION = MetricDeclaration(
    "gateway_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "Time of answered requests, from the whole body read to the answer logged.",
)
HTTP_DURATION = MetricDeclaration(
    "http_server_request_duration_seconds",
    MetricKind.HISTOGRAM,
    "OpenTelemetry's `http.server.request.duration`: POST requests to the predict port, from the whole request to its "
    "response. Only with `--traces-url`.",
    ("http_request_method", "http_route", "http_response_status_code"),
)
ROWS = MetricDeclaration("gateway_rows_total", MetricKind.COUNTER, "Rows answered.")
SHADOW_ROWS = MetricDeclaration(
    "gateway_shadow_rows_total", MetricKind.COUNTER, "Rows copied to a shadow, by outcome.", ("outcome",)
)

METRICS = (ANSWERED, BY_PROTOCOL, FAILED, REFUSED, ABANDONED, IN_FLIGHT, DURATION, HTTP_DURATION, ROWS, SHADOW_ROWS)
_SHADOW_OUTCOMES = ("scored", "failed", "dropped")


def request_samples(state: GatewayState) -> Iterator[Sample]:
    """What is counted since the start, and the requests in progress."""
    requests, counts = state.requests, state.requests.counts
    for rung in Rung:
        yield Sample(ANSWERED, (rung.value,), counts.answered[rung])
    for protocol in PROTOCOLS:
        yield Sample(BY_PROTOCOL, (protocol,), counts.protocols[protocol])
    for status, count in counts.refused.items():
        yield Sample(REFUSED, (str(status),), count)
    yield Sample(FAILED, (), requests.totals.failed)
    yield Sample(ABANDONED, (), requests.hangups.ended)
    yield Sample(IN_FLIGHT, (), requests.hangups.under_way)
    yield Sample(DURATION, (), counts.durations.distribution())
    if state.tracer is not None:
        for (route, status), histogram in list(state.tracer.durations.items()):
            yield Sample(HTTP_DURATION, ("POST", route, str(status)), histogram.distribution())
    yield Sample(ROWS, (), counts.rows)
    rows = state.shadow_rows
    for outcome in _SHADOW_OUTCOMES:
        yield Sample(SHADOW_ROWS, (outcome,), rows[outcome])
