"""`traceparent` and the sampling by ratio agree with OpenTelemetry's own."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from observability.trace_context import (
    TraceContext,
    is_sampled,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    sampling_bound,
    span_id_of,
    trace_id_of,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
MALFORMED = (
    *("", "00", "garbage", GOOD.upper(), f"00-{TRACE}-{SPAN}", f"0-{TRACE}-{SPAN}-01", f"{GOOD}-more", f"{GOOD}\n"),
    *(f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-0g"),
    *(
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00_{TRACE}_{SPAN}_01",
        f"{GOOD},{GOOD}",
        "\u0660\u0660" + GOOD[2:],
    ),
)


def of_the_library(header: str) -> TraceContext | None:
    found = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": header})).get_span_context()
    return TraceContext(found.trace_id, found.span_id, bool(found.trace_flags & 1)) if found.is_valid else None


def test_a_header_names_trace_span_and_flag():
    assert parse_traceparent(GOOD) == TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-00") == TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=False)


@pytest.mark.parametrize("header", MALFORMED)
def test_a_malformed_header_is_no_parent(header):
    assert parse_traceparent(header) is None


def test_a_header_of_a_later_version_may_say_more():
    found = parse_traceparent(f"cc-{TRACE}-{SPAN}-03-what-the-future-brings")
    assert found == TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)


@given(
    st.from_regex(r"[ \t]?(00|01|cc|ff|0)-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}(-[0-9a-z]*)?", fullmatch=True)
)
def test_headers_are_read_as_the_library_reads_them(header):
    assert parse_traceparent(header) == of_the_library(header)


def test_a_context_is_written_as_it_is_read():
    context = TraceContext(new_trace_id(), new_span_id(), sampled=False)
    assert parse_traceparent(context.traceparent) == context == of_the_library(context.traceparent)


def test_a_state_that_is_too_long_is_left_out():
    assert parse_traceparent(GOOD, "a=1,b=2").state == "a=1,b=2"
    assert parse_traceparent(GOOD, "a=" + "1" * 600).state == ""


@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 1.0])
def test_a_ratio_samples_the_traces_that_the_library_samples(ratio):
    library, bound, generator = TraceIdRatioBased(ratio), sampling_bound(ratio), random.Random(7)
    for _ in range(2000):
        trace_id = generator.getrandbits(128)
        kept = library.should_sample(None, trace_id, "x").decision is Decision.RECORD_AND_SAMPLE
        assert is_sampled(trace_id, bound) == kept


def test_the_same_text_is_the_same_trace_and_span_and_another_is_another():
    assert trace_id_of("incident 7") == trace_id_of("incident 7") != trace_id_of("incident 8")
    assert span_id_of("incident 7") == span_id_of("incident 7") != span_id_of("incident 8")
    assert 0 < trace_id_of("incident 7") < 2**128
    assert 0 < span_id_of("incident 7") < 2**64
