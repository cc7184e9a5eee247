"""The place of a span in a trace: identifiers, the `traceparent` header of W3C Trace Context, and sampling by ratio."""

import hashlib
import re
import secrets
from typing import NamedTuple

_TRACEPARENT = re.compile(r"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*")
_SAMPLED = 1  # the only flag that version 00 of the header defines
_STATE_CHARACTERS_MAX = 512  # that every participant has to pass on; a longer `tracestate` is left out
_LOW_BITS = 2**64 - 1


class TraceContext(NamedTuple):
    """One span of one trace. `state` is the header `tracestate` as it came, or nothing."""

    trace_id: int
    span_id: int
    sampled: bool = True
    state: str = ""

    @property
    def trace_id_hex(self) -> str:
        return f"{self.trace_id:032x}"

    @property
    def span_id_hex(self) -> str:
        return f"{self.span_id:016x}"

    @property
    def traceparent(self) -> str:
        """The header that names this span as the parent of what follows."""
        return f"00-{self.trace_id_hex}-{self.span_id_hex}-{int(self.sampled):02x}"


def parse_traceparent(value: str, state: str = "") -> TraceContext | None:
    """The context that a `traceparent` header names; None where the header is malformed, and then it is ignored."""
    found = _TRACEPARENT.fullmatch(value)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    context = TraceContext(
        int(trace_id, 16),
        int(span_id, 16),
        bool(int(flags, 16) & _SAMPLED),
        state if len(state) <= _STATE_CHARACTERS_MAX else "",
    )
    return context if context.trace_id and context.span_id else None


def new_trace_id() -> int:
    return secrets.randbits(128) or 1


def new_span_id() -> int:
    return secrets.randbits(64) or 1


def trace_id_of(text: str) -> int:
    """The same trace for the same text, so that processes join a trace without any message between them."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]) or 1


def span_id_of(text: str) -> int:
    """The same span for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[16:24]) or 1


def sampling_bound(ratio: float) -> int:
    """What the low 64 bits of a trace id are below in this share of traces, as in OpenTelemetry's sampler by ratio.

    So every service that samples by the same ratio keeps the same traces.
    """
    return round(ratio * (_LOW_BITS + 1))


def is_sampled(trace_id: int, bound: int) -> bool:
    return trace_id & _LOW_BITS < bound
