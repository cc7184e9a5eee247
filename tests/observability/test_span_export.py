"""Spans reach a collector as OTLP, and a collector that fails costs spans and nothing else."""

import subprocess
import sys
import time

import pytest
from structlog.testing import capture_logs

from healing.errors import ConfigError
from observability.span import Span, SpanKind, current_span
from observability.span_export import WAITING_MAX, SpanExport, traces_address
from observability.trace_context import TraceContext, new_span_id, new_trace_id
from tests.collector import collecting, values

RESOURCE = {"service.name": "test"}
WAIT_SECONDS = 60.0


@pytest.fixture
def collector():
    with collecting() as started:
        yield started


def root_span(export, name="root", parent=None):
    context = TraceContext(parent.trace_id if parent else new_trace_id(), new_span_id(), state="vendor=1")
    return Span(name, context, export.add, parent, SpanKind.SERVER)


def fail_below(span):
    with span.child("child").current():
        assert current_span.get().parent == span.context
        raise ValueError("broken")


def test_a_span_arrives_with_everything_that_it_has(collector):
    export = SpanExport(collector.url, RESOURCE)
    parent = TraceContext(new_trace_id(), new_span_id())
    with root_span(export, parent=parent).current() as span:
        span.attributes |= {"text": "a", "number": 2, "share": 0.5, "yes": True}
        span.add_event("happened", {"why": "because"})
        span.links.append(TraceContext(7, 8))
        with pytest.raises(ValueError, match="broken"):
            fail_below(span)
    assert current_span.get() is None
    export.close(WAIT_SECONDS)
    child, root = collector.spans
    assert values(root.attributes) == {"text": "a", "number": 2, "share": 0.5, "yes": True}
    assert (root.parent_span_id, root.trace_id) == (parent.span_id.to_bytes(8), parent.trace_id.to_bytes(16))
    assert (root.name, root.kind, root.trace_state) == ("root", 2, "vendor=1")
    assert [(event.name, values(event.attributes)) for event in root.events] == [("happened", {"why": "because"})]
    assert [(link.trace_id, link.span_id) for link in root.links] == [((7).to_bytes(16), (8).to_bytes(8))]
    assert (child.parent_span_id, child.trace_id) == (root.span_id, root.trace_id)
    assert (child.status.code, child.status.message, child.kind) == (2, "broken", 1)
    assert values(child.attributes) == {"error.type": "ValueError"}
    assert root.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
    assert child.end_time_unix_nano <= root.end_time_unix_nano
    assert abs(root.start_time_unix_nano / 1e9 - time.time()) < 600
    assert collector.resources[0]["service.name"] == "test"
    assert (export.exported, export.dropped, export.failed) == (2, 0, 0)


def test_a_span_ends_once(collector):
    export = SpanExport(collector.url, RESOURCE)
    span = root_span(export)
    span.end()
    span.end()
    export.close(WAIT_SECONDS)
    assert len(collector.spans) == 1


def test_headers_for_the_collector_come_from_the_standard_variable(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20planted")
    export = SpanExport(collector.url, RESOURCE)
    root_span(export).end()
    export.close(WAIT_SECONDS)
    assert collector.headers[0]["authorization"] == "Bearer planted"


@pytest.mark.parametrize("behaviour", ["hang", "slow", "garbage", "close", 500, 503, 404])
def test_whatever_the_collector_does_adding_spans_does_not_wait_and_memory_is_bounded(collector, behaviour):
    collector.behaviour = behaviour
    export = SpanExport(collector.url, RESOURCE, seconds_max=0.5)
    count = 3 * WAITING_MAX  # if one of them waited for a collector that hangs, this would take hours
    for number in range(count):
        root_span(export, name=f"{number}").end()
        assert export.waiting <= WAITING_MAX
    began = time.monotonic()
    export.close(1.0)
    assert time.monotonic() - began < WAIT_SECONDS  # bounded by the limit, whatever the collector does
    unsettled = count - export.exported - export.dropped - export.failed
    assert 0 <= unsettled <= 512  # one batch may be on its way
    assert export.dropped > 0
    if behaviour == "slow":
        assert export.exported > 0


def test_a_collector_that_is_away_and_comes_back_is_said_once_each(collector):
    with capture_logs() as lines:
        export = SpanExport(collector.url, RESOURCE, seconds_max=0.5)
        collector.behaviour = 500
        for _ in range(3):
            root_span(export).end()
            assert export.flush(WAIT_SECONDS)
        assert export.failing
        collector.behaviour = "take"
        root_span(export).end()
        assert export.flush(WAIT_SECONDS)
        assert not export.failing
        export.close(WAIT_SECONDS)
    assert (export.exported, export.failed, len(collector.spans)) == (1, 3, 1)
    events = [line["event"] for line in lines if line["event"].startswith("traces")]
    assert events == ["traces_not_exported", "traces_exported_again"]


def test_a_collector_that_is_not_there_costs_a_bounded_end():
    export = SpanExport("http://127.0.0.1:9", RESOURCE, seconds_max=0.5)
    root_span(export).end()
    began = time.monotonic()
    export.close(1.0)
    assert time.monotonic() - began < WAIT_SECONDS
    assert export.exported == 0


def test_an_address_without_a_path_gets_the_path_of_traces():
    assert traces_address("http://127.0.0.1:4318") == "http://127.0.0.1:4318/v1/traces"
    assert traces_address("https://collector.example/") == "https://collector.example/v1/traces"
    assert traces_address("http://mlflow:5000/otel/v1/traces") == "http://mlflow:5000/otel/v1/traces"
    for wrong in ("127.0.0.1:4318", "grpc://x:4317", "", "/v1/traces"):
        with pytest.raises(ValueError, match="expected an address"):
            traces_address(wrong)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match=r"needs the extra `otel`.*pip install 'mlops-autopilot\[otel\]'"):
        SpanExport("http://127.0.0.1:9", RESOURCE)


def test_a_password_in_the_address_is_not_logged():
    with capture_logs() as lines:
        export = SpanExport("http://user:planted@127.0.0.1:9/v1/traces?key=planted", RESOURCE, seconds_max=0.2)
        root_span(export).end()
        assert export.flush(WAIT_SECONDS)
        export.close(1.0)
    assert [line["event"] for line in lines] == ["traces_not_exported"]
    assert "planted" not in str(lines)


def test_the_module_loads_nothing_of_opentelemetry():
    code = "import sys, observability.span_export; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"
