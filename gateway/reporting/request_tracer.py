"""Which requests are traced, and the durations of all of them by OpenTelemetry's conventions.

Traced are the requests whose client says so in `traceparent`, and a share of those that bring no trace.
"""

from collections.abc import Iterable, Mapping

from gateway.reporting.histogram import Histogram
from observability.span import AttributeValue, Span, SpanKind
from observability.span_export import SpanExport
from observability.trace_context import (
    TraceContext,
    is_sampled,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    sampling_bound,
)

# The bounds that the semantic conventions advise for `http.server.request.duration`.
BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class RequestTracer:
    """Begins the spans of requests, which go to `export` at their end. `durations` are by route and status."""

    def __init__(self, export: SpanExport, ratio: float) -> None:
        self.export = export
        self.durations: dict[tuple[str, int], Histogram] = {}  # routes are few, and so are statuses
        self._bound = sampling_bound(ratio)

    def begin(
        self, name: str, headers: Iterable[tuple[bytes, bytes]], attributes: Mapping[str, AttributeValue]
    ) -> Span | None:
        """The span of a request; None where the request is not sampled.

        A parent decides for its trace. Without one, or where the header is malformed or sent twice, the ratio decides.
        """
        parent = _parent(headers)
        trace_id = new_trace_id() if parent is None else parent.trace_id
        if not (is_sampled(trace_id, self._bound) if parent is None else parent.sampled):
            return None
        context = TraceContext(trace_id, new_span_id(), sampled=True, state="" if parent is None else parent.state)
        return Span(name, context, self.export.add, parent, SpanKind.SERVER, dict(attributes))

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Take the duration of one request, traced or not."""
        histogram = self.durations.get((route, status))
        if histogram is None:
            histogram = self.durations[route, status] = Histogram(BOUNDS_SECONDS)
        histogram.observe(seconds)


def _parent(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """The caller's span, as the header `traceparent` names it."""
    found: list[bytes] = []
    states: list[bytes] = []
    for name, value in headers:
        if name == b"traceparent":
            found.append(value)
        elif name == b"tracestate":
            states.append(value)
    if len(found) != 1:
        return None
    return parse_traceparent(found[0].decode("latin-1"), b",".join(states).decode("latin-1"))
