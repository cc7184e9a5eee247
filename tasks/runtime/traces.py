"""Spans and log lines of flow runs: one trace per incident, from its detection to the last run that treats it.

The ids of an incident's trace follow from its id, and those of an attempt's span from its idempotency key. So the
healer, a run that it starts and a healer that continues after a kill join one trace without a message between them,
also while Prefect is down.

The parent of a run is the first of these: the attempt that starts it in this process, the span that calls the flow, the
attempt whose idempotency key the run has in Prefect, `TRACEPARENT` of the environment, and the incident among its
parameters. A run without any begins a trace of its own.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog

from observability.service_log import configure_log
from observability.span import AttributeValue, Span, current_span
from observability.span_export import SpanExport
from observability.trace_context import (
    TraceContext,
    new_span_id,
    new_trace_id,
    parse_traceparent,
    span_id_of,
    trace_id_of,
)
from tasks.config.settings import Settings, load_settings

FLUSH_SECONDS_MAX = 2.0  # that the end of a run waits for a collector
PARENT_VARIABLE = "TRACEPARENT"
_ATTEMPT_KEY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/\d+")
_PARAMETERS = ("pipeline", "incident_id", "digest", "since", "until", "to")  # that a span of a run has as attributes

_P = ParamSpec("_P")
_R = TypeVar("_R")
_started_by: ContextVar[TraceContext | None] = ContextVar("started_by", default=None)
_exports: dict[str, SpanExport] = {}  # by address: one in this process


def incident_context(incident_id: str) -> TraceContext:
    """The span of an incident, the first of its trace."""
    return TraceContext(trace_id_of(incident_id), span_id_of(incident_id))


def attempt_context(idempotency_key: str) -> TraceContext | None:
    """The span of an attempt; None for a key that is not an attempt's, such as that of a scheduled run."""
    found = _ATTEMPT_KEY.fullmatch(idempotency_key)
    return None if found is None else TraceContext(trace_id_of(found[1]), span_id_of(idempotency_key))


def traces_of(settings: Settings) -> SpanExport | None:
    """What this process sends its spans with; None where there is no address for traces."""
    if settings.traces_url is None:
        return None
    if settings.traces_url not in _exports:
        _exports[settings.traces_url] = SpanExport(settings.traces_url, {"service.name": "autopilot-control-plane"})
    return _exports[settings.traces_url]


def flush_traces(settings: Settings) -> None:
    """Send what waits, for at most `FLUSH_SECONDS_MAX`."""
    export = traces_of(settings)
    if export is not None:
        export.flush(FLUSH_SECONDS_MAX)


@contextmanager
def carried_by(idempotency_key: str) -> Iterator[None]:
    """Make a flow that is called in the block a run of this attempt."""
    token = _started_by.set(attempt_context(idempotency_key))
    try:
        yield
    finally:
        _started_by.reset(token)


def observed(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function of a flow, with the pipeline and the incident in its log lines and a span where traces are on."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        settings = load_settings()
        if not structlog.is_configured():
            configure_log(settings.log_level, settings.log_format, service="flow")
        given = inspect.signature(function).bind_partial(*args, **kwargs).arguments
        ids = {"pipeline": given.get("pipeline"), "incident": given.get("incident_id"), "flow": function.__name__}
        with structlog.contextvars.bound_contextvars(**{key: value for key, value in ids.items() if value}):
            export = traces_of(settings)
            if export is None:
                return function(*args, **kwargs)
            with _run_span(export, function.__name__, given):
                return function(*args, **kwargs)

    return run


def observed_task(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A step of a flow, with a span of its own inside the span of the run."""

    @wraps(function)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        caller = current_span.get()
        if caller is None:
            return function(*args, **kwargs)
        with caller.child(f"task {function.__name__}").current():
            return function(*args, **kwargs)

    return run


@contextmanager
def _run_span(export: SpanExport, name: str, given: Mapping[str, Any]) -> Iterator[Span]:
    started_by = _started_by.get()
    caller = current_span.get() if started_by is None else None
    if caller is not None:
        span = caller.child(f"flow {name}")
    else:
        run_id, key = _prefect_run() if started_by is None else ("", "")
        parent = started_by or _parent(key, given.get("incident_id"))
        trace_id = new_trace_id() if parent is None else parent.trace_id
        context = TraceContext(trace_id, new_span_id(), state="" if parent is None else parent.state)
        span = Span(f"flow {name}", context, export.add, parent)
        named = {"prefect.flow_run.id": run_id, "autopilot.idempotency_key": key}
        span.attributes |= {attribute: value for attribute, value in named.items() if value}
    span.attributes |= _attributes(given)
    token = _started_by.set(None)  # a flow that this one calls is below this one
    try:
        with span.current():
            yield span
    finally:
        _started_by.reset(token)
        if caller is None:
            export.flush(FLUSH_SECONDS_MAX)


def _attributes(given: Mapping[str, Any]) -> dict[str, AttributeValue]:
    return {f"autopilot.{name}": str(given[name]) for name in _PARAMETERS if given.get(name) is not None}


def _parent(idempotency_key: str, incident_id: str | None) -> TraceContext | None:
    """The span that caused a run that no span of this process calls."""
    return (
        attempt_context(idempotency_key)
        or parse_traceparent(os.environ.get(PARENT_VARIABLE, ""))
        or (incident_context(incident_id) if incident_id else None)
    )


def _prefect_run() -> tuple[str, str]:
    """The id of this flow run in Prefect, and its idempotency key; empty where there is none."""
    if "prefect" not in sys.modules:
        return "", ""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    return ("", "") if run is None else (str(run.id), run.idempotency_key or "")
