"""The account of one incident: timeline, times, decisions, requests and what was learned, from what was recorded.

Nothing is computed that was not recorded when it happened. What is not known is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healing.decision import ConsideredRemedy
from healing.incident import Incident, Remedy, Status
from healing.slo import AnswerCounts
from tasks.incidents.post_mortem.learning import LearnedRemedy, learned_from
from tasks.incidents.post_mortem.timeline import TimelineEvent, timeline_of
from tasks.ledger.decisions import RecordedDecision
from tasks.ledger.records import JournalEntry
from tasks.ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class IncidentTimes:
    """Seconds from the beginning that the observer of the problem reported; None for what did not happen."""

    to_detect: float | None
    to_confirm: float | None
    to_first_remedy: float | None
    to_mitigate: float | None
    to_escalate: float | None
    to_recover: float | None


@dataclass(frozen=True, slots=True)
class ServedRequests:
    """The gateway's answers between its first and last reading during the incident.

    `restarted`: the gateway restarted in between, and what it answered since the reading before is missing.
    """

    since: datetime
    until: datetime
    counts: AnswerCounts
    restarted: bool


@dataclass(frozen=True, slots=True)
class Account:
    """One incident and everything that is known about it.

    `allowed` are the remedies that policy allowed when one was chosen last, in the order to try; empty if the healer
    chose none. `ended_because` is None while the incident has not ended.
    """

    incident: Incident
    times: IncidentTimes
    timeline: tuple[TimelineEvent, ...]
    decisions: tuple[RecordedDecision, ...]
    allowed: tuple[ConsideredRemedy, ...]
    requests: ServedRequests | None
    learned: tuple[LearnedRemedy, ...]
    ended_because: str | None

    @property
    def was_confirmed(self) -> bool:
        """Whether the problem was there: it was confirmed, or its observer was certain and applied a remedy."""
        return self.times.to_confirm is not None or bool(self.incident.attempts)


def account_of(ledger: Ledger, incident: Incident) -> Account:
    """Read the account of the incident. StoreUnavailable if the ledger does not answer."""
    entries = ledger.entries_about(incident.pipeline, incident.id)
    decisions = tuple(ledger.decisions(incident.id))
    allowed = next((each.decision.considered for each in reversed(decisions) if each.decision.considered), ())
    return Account(
        incident=incident,
        times=_times(incident, entries),
        timeline=timeline_of(incident, entries, decisions),
        decisions=decisions,
        allowed=allowed,
        requests=_requests(decisions),
        learned=learned_from(
            incident, ledger.incidents(incident.pipeline, causes=[incident.cause]), [each.remedy for each in allowed]
        ),
        ended_because=_end_of(incident, entries),
    )


def _times(incident: Incident, entries: Sequence[JournalEntry]) -> IncidentTimes:
    first = {entry.kind: entry.at for entry in reversed(entries)}
    remedies = [attempt.started_at for attempt in incident.attempts if attempt.remedy is not Remedy.ESCALATE]
    recovered = incident.ended_at if incident.status is Status.RECOVERED else None

    def seconds_to(moment: datetime | None) -> float | None:
        """None also for a time before the beginning: the wall clock was set back."""
        seconds = None if moment is None else (moment - incident.detected_at).total_seconds()
        return None if seconds is None or seconds < 0 else round(seconds, 2)

    return IncidentTimes(
        to_detect=seconds_to(first.get("incident.opened")),
        to_confirm=seconds_to(first.get("incident.diagnosed")),
        to_first_remedy=seconds_to(min(remedies, default=None)),
        to_mitigate=seconds_to(incident.mitigated_at),
        to_escalate=seconds_to(first.get("incident.escalated")),
        to_recover=seconds_to(recovered),
    )


def _requests(decisions: Sequence[RecordedDecision]) -> ServedRequests | None:
    """Differences of the gateway's counters between decisions; None with fewer than two readings."""
    readings = [(each.at, each.decision.served) for each in decisions if each.decision.served is not None]
    if len(readings) < 2:
        return None
    counts, restarted, before = AnswerCounts(), False, readings[0][1]
    for _, after in readings[1:]:
        assert before is not None
        assert after is not None
        step = after.since(before)
        restarted = restarted or after.total < before.total
        counts = AnswerCounts(counts.good + step.good, counts.degraded + step.degraded, counts.failed + step.failed)
        before = after
    return ServedRequests(readings[0][0], readings[-1][0], counts, restarted)


def _end_of(incident: Incident, entries: Sequence[JournalEntry]) -> str | None:
    if not incident.ended:
        return None
    last = next((entry for entry in reversed(entries) if entry.kind == f"incident.{incident.status}"), None)
    note = "" if last is None else str(last.detail.get("note", ""))
    return note or (incident.attempts[-1].note if incident.attempts else "") or "no reason was recorded"
