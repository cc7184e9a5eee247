"""A span: one piece of work in a trace, with its times, attributes, events and links. It needs no library."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from observability.trace_context import TraceContext, new_span_id

AttributeValue = str | bool | int | float
_ERROR_CHARACTERS_MAX = 500


class SpanKind(IntEnum):
    """The kinds of span that occur here, with OpenTelemetry's numbers."""

    INTERNAL = 0
    SERVER = 1


class SpanEvent(NamedTuple):
    """Something that happened in a span at one moment."""

    name: str
    at_ns: int
    attributes: Mapping[str, AttributeValue]


@dataclass(slots=True, eq=False)
class Span:
    """Times are nanoseconds since the epoch, moved on by a monotonic clock. `end` hands the span to `sink`, once."""

    name: str
    context: TraceContext
    sink: "Callable[[Span], None]"
    parent: TraceContext | None = None
    kind: SpanKind = SpanKind.INTERNAL
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    started_ns: int = field(default_factory=time.time_ns)
    ended_ns: int = 0
    error: str = ""
    links: list[TraceContext] = field(default_factory=list)
    events: list[SpanEvent] = field(default_factory=list)
    root: "Span | None" = None  # the first span of the trace in this process; None for that span itself
    _monotonic_ns: int = field(default_factory=time.perf_counter_ns)

    def child(self, name: str) -> "Span":
        """A span that begins now, below this one."""
        context = self.context._replace(span_id=new_span_id())
        return Span(name, context, self.sink, self.context, root=self.root or self, started_ns=self.now_ns())

    def now_ns(self) -> int:
        return self.started_ns + time.perf_counter_ns() - self._monotonic_ns

    def add_event(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        self.events.append(SpanEvent(name, self.now_ns(), attributes))

    def fail(self, error: BaseException | str, kind: str = "") -> None:
        """Mark the span as failed; `kind` is a name for this sort of error, by default the class of the error."""
        self.error = (str(error) or repr(error))[:_ERROR_CHARACTERS_MAX]
        self.attributes["error.type"] = kind or type(error).__name__

    @property
    def ended(self) -> bool:
        return self.ended_ns != 0

    def end(self, at_ns: int | None = None) -> None:
        """End the span now, or at a recorded time, unless it has ended."""
        if not self.ended_ns:
            self.ended_ns = self.now_ns() if at_ns is None else max(at_ns, self.started_ns)
            self.sink(self)

    @contextmanager
    def current(self) -> Iterator["Span"]:
        """Make this the current span until the block ends, and end it then. An exception of the block is its error."""
        token = current_span.set(self)
        try:
            yield self
        except Exception as exc:
            self.fail(exc)
            raise
        finally:
            current_span.reset(token)
            self.end()


current_span: ContextVar[Span | None] = ContextVar("current_span", default=None)
"""The span in which this task or thread works; None where nothing is traced. Log lines name it."""
