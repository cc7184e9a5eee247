"""The timeline of an incident: what the journal recorded, and the decisions to wait in between."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from healing.incident import Incident
from tasks.ledger.decisions import RecordedDecision
from tasks.ledger.records import JournalEntry

Detail = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One moment. `is_decision`: nothing happened, but the healer decided to wait or observed something else."""

    at: datetime
    what: str
    detail: str
    is_decision: bool = False


def timeline_of(
    incident: Incident, entries: Sequence[JournalEntry], decisions: Sequence[RecordedDecision]
) -> tuple[TimelineEvent, ...]:
    """Everything that is recorded about the incident, in the order of time."""
    observers = ", ".join(dict.fromkeys(str(each["observer"]) for each in incident.evidence))
    began = TimelineEvent(incident.detected_at, "problem began", f"as {observers or 'its observer'} reported")
    happened = [_event(entry) for entry in entries if entry.kind in _WORDS]
    waited = [_wait(each) for each in decisions if each.decision.waits]
    return (began, *sorted([*happened, *waited], key=lambda event: event.at))


def _event(entry: JournalEntry) -> TimelineEvent:
    what, detail_of = _WORDS[entry.kind]
    return TimelineEvent(entry.at, what.format_map(_Known(entry.detail)), detail_of(entry.detail))


def _wait(recorded: RecordedDecision) -> TimelineEvent:
    decision = recorded.decision
    if decision.step == "wait":
        return TimelineEvent(recorded.at, "waits", decision.reason, is_decision=True)
    seen = "not observed yet" if decision.verified is None else f"{decision.verified}: {decision.verified_reason}"
    return TimelineEvent(recorded.at, f"verifies {decision.remedy}", seen, is_decision=True)


class _Known(dict[str, object]):
    """The values of an entry; one that an older version did not record is `?`."""

    def __missing__(self, key: str) -> str:
        return "?"


def _note(detail: Detail) -> str:
    return str(detail.get("note", ""))


# Journal entries about an incident: what happened, and the text beside it.
_WORDS: Mapping[str, tuple[str, Callable[[Detail], str]]] = MappingProxyType(
    {
        "incident.opened": ("detected", lambda detail: f"{detail.get('observer', '?')}: {detail.get('summary', '')}"),
        "incident.diagnosed": ("confirmed", _note),
        "incident.mitigated": ("mitigated", _note),
        "approval.asked": ("attempt {number}, {remedy}: a person is asked", lambda _: ""),
        "approval.approved": ("attempt {number}, {remedy}: approved by {by}", lambda d: str(d.get("reason", ""))),
        "approval.refused": ("attempt {number}, {remedy}: refused by {by}", lambda d: str(d.get("reason", ""))),
        "attempt.started": ("attempt {number}, {remedy}: start", lambda _: ""),
        "attempt.dispatched": ("attempt {number}, {remedy}: carried by a run", lambda d: str(d.get("flow_run_id", ""))),
        "attempt.applied": ("attempt {number}, {remedy}: applied", _note),
        "attempt.finished": ("attempt {number}, {remedy}: {outcome}", _note),
        "incident.escalated": ("escalated", _note),
        "incident.recovered": ("over", _note),
        "incident.dismissed": ("dismissed", _note),
    }
)
