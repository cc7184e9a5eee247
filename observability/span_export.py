"""Sends ended spans to an OTLP collector, from a thread of its own, with OpenTelemetry's exporter.

Whatever the collector does, the process that makes the spans never waits for it. At most `WAITING_MAX` spans wait, of
a kilobyte or so each; more of them are dropped and counted. A batch that the collector does not take in `SECONDS_MAX`
is lost and counted.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from healing.errors import ConfigError
from observability.span import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

WAITING_MAX = 4096
SECONDS_MAX = 10.0  # of one batch, with the retries of the exporter
_BATCH_MAX = 512
_PERIOD_SECONDS = 0.5
_PATH = "/v1/traces"
_log = structlog.get_logger(__name__)


def traces_address(url: str) -> str:
    """The address that spans are sent to: `/v1/traces` of the collector where `url` names no path.

    ValueError where it is no HTTP address.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"expected an address such as http://127.0.0.1:4318, found {url[:200]!r}")
    return parts._replace(path=_PATH).geturl() if parts.path in {"", "/"} else url


class SpanExport:
    """Takes spans by `add` from any thread; `close` sends what waits. The counts are of spans since the start.

    `failing` says why the last batch was not taken; it is empty while the collector takes spans.
    """

    def __init__(self, url: str, resource: Mapping[str, str], seconds_max: float = SECONDS_MAX) -> None:
        """ConfigError where the extra `otel` is not installed. Headers come from OTEL_EXPORTER_OTLP_HEADERS."""
        self.exported = 0
        self.dropped = 0
        self.failed = 0
        self.failing = ""
        self._address = traces_address(url)
        self._waiting: deque[Span] = deque()
        self._counting = threading.Lock()
        self._wanted = threading.Event()
        self._closing = False
        self._sending = False
        self._exporter = _exporter(self._address, seconds_max)
        self._resource = dict(resource)
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Spans that wait to be sent."""
        return len(self._waiting)

    def add(self, span: Span) -> None:
        """Take a span that has ended; it is dropped where too many wait."""
        if len(self._waiting) >= WAITING_MAX or self._closing:
            with self._counting:
                self.dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) == _BATCH_MAX:
            self._wanted.set()

    def close(self, seconds_max: float) -> None:
        """Send what waits, for at most `seconds_max`; the process may end without the rest."""
        deadline = time.monotonic() + seconds_max
        self._closing = True
        self._wanted.set()
        self._thread.join(seconds_max)
        if self._thread.is_alive():
            self._exporter.shutdown()  # ends the pause before a retry
            self._thread.join(max(0.1, deadline - time.monotonic()))
        with self._counting:
            self.dropped += len(self._waiting)
            self._waiting.clear()

    def flush(self, seconds_max: float) -> bool:
        """Wait until every span was sent or is lost; false where that takes longer than `seconds_max`."""
        deadline = time.monotonic() + seconds_max
        self._wanted.set()
        while (self._waiting or self._sending) and time.monotonic() < deadline:
            time.sleep(0.01)
        return not (self._waiting or self._sending)

    def _run(self) -> None:
        while not self._closing or self._waiting:
            self._wanted.wait(_PERIOD_SECONDS)
            self._wanted.clear()
            while self._waiting:
                self._sending = True
                self._send()
                self._sending = False
                if self._closing and self.failing:
                    return  # nobody waits for a collector that takes nothing
        self._exporter.shutdown()

    def _send(self) -> None:
        spans = [self._waiting.popleft() for _ in range(min(_BATCH_MAX, len(self._waiting)))]
        try:
            error = self._export([_readable(span, self._resource) for span in spans])
        except Exception as exc:  # noqa: BLE001  no span may end this thread
            error = repr(exc)
        if error:
            self.failed += len(spans)
        else:
            self.exported += len(spans)
        if bool(error) != bool(self.failing):
            if error:
                _log.warning("traces_not_exported", address=_without_secrets(self._address), reason=error)
            else:
                _log.info("traces_exported_again", address=_without_secrets(self._address), lost_spans=self.failed)
        self.failing = error

    def _export(self, spans: "list[ReadableSpan]") -> str:
        """Why the collector did not take the spans, or nothing."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return "the collector did not take a batch of spans: it does not answer in time, or answers with an error"


def _exporter(address: str, seconds_max: float) -> "SpanExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as exc:
        raise ConfigError(
            f"an address for traces needs the extra `otel`, and {exc.name!r} is not installed: run "
            "pip install 'mlops-autopilot[otel]', or leave the address out"
        ) from exc
    # It logs each attempt at each batch, as plain text; `SpanExport` logs when the collector fails and comes back.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return OTLPSpanExporter(endpoint=address, timeout=seconds_max)


def _without_secrets(address: str) -> str:
    """The address without a user, password or query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}{parts.path}"


def _readable(span: Span, resource: Mapping[str, str]) -> "ReadableSpan":
    """The span in the form of OpenTelemetry's SDK."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
    from opentelemetry.trace.span import TraceState

    from observability.trace_context import TraceContext

    def context_of(context: TraceContext, *, remote: bool = False) -> SpanContext:
        state = TraceState.from_header([context.state]) if context.state else None
        return SpanContext(context.trace_id, context.span_id, remote, TraceFlags(int(context.sampled)), state)

    return ReadableSpan(
        span.name,
        context=context_of(span.context),
        parent=None if span.parent is None else context_of(span.parent, remote=span.root is None),
        resource=Resource.create(resource),
        attributes=span.attributes,
        events=[Event(event.name, event.attributes, event.at_ns) for event in span.events],
        links=[Link(context_of(link)) for link in span.links],
        kind=SpanKind(span.kind.value),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=span.started_ns,
        end_time=span.ended_ns,
        instrumentation_scope=InstrumentationScope("mlops-autopilot"),
    )
