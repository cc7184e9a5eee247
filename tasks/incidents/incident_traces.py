"""Spans of incidents and of the attempts to end them, made from the ledger's record at the end of each."""

import time
from datetime import UTC, datetime

from healing.incident import Attempt, AttemptOutcome, Incident, Status
from observability.span import Span
from observability.trace_context import TraceContext, new_span_id
from tasks.config.settings import Settings
from tasks.runtime.traces import attempt_context, incident_context, traces_of


def trace_attempt(settings: Settings, incident: Incident, attempt: Attempt, outcome: AttemptOutcome, note: str) -> None:
    """Send the span of an attempt that has ended. The runs that it started are below it."""
    context = attempt_context(f"{incident.id}/{attempt.number}")
    if context is None:
        return
    span = _span(settings, f"remedy {attempt.remedy.value}", context, incident, attempt.started_at)
    if span is None:
        return
    span.parent = incident_context(incident.id)
    span.attributes |= {"autopilot.remedy": attempt.remedy.value, "autopilot.outcome": outcome.value}
    span.attributes["autopilot.idempotency_key"] = f"{incident.id}/{attempt.number}"
    if outcome is not AttemptOutcome.SUCCEEDED:
        span.fail(note, outcome.value)
    span.end(time.time_ns())


def trace_incident(settings: Settings, incident: Incident, status: Status, reason: str) -> None:
    """Send the span of an incident that has ended, which is the first of its trace, or one of its escalation."""
    first = incident_context(incident.id)
    if status is Status.ESCALATED:  # the incident is not over: a person is asked, and it ends later
        now = datetime.now(UTC)
        span = _span(settings, "escalate", first._replace(span_id=new_span_id()), incident, now)
    else:
        span = _span(settings, f"incident {incident.cause.value}", first, incident, incident.detected_at)
    if span is None:
        return
    span.attributes["autopilot.incident.status"] = status.value
    if status is Status.ESCALATED:
        span.parent = first
        span.fail(reason, status.value)
    span.end(time.time_ns())


def _span(settings: Settings, name: str, context: TraceContext, incident: Incident, since: datetime) -> Span | None:
    """A span that began at `since`; None where traces are off."""
    export = traces_of(settings)
    if export is None:
        return None
    attributes = {
        "autopilot.pipeline": incident.pipeline,
        "autopilot.incident": incident.id,
        "autopilot.cause": incident.cause.value,
        "autopilot.subject": incident.subject,
    }
    return Span(name, context, export.add, attributes=dict(attributes), started_ns=int(since.timestamp() * 1e9))
