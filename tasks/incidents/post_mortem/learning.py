"""What the outcomes of an incident change in the learned order of remedies: odds before and after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from healing.incident import Attempt, Incident, Remedy
from healing.remedy_order import RemedyRecord, learned_order, record_of


@dataclass(frozen=True, slots=True)
class LearnedRemedy:
    """Outcomes of one remedy for the cause, and the odds that it comes first, before and after the incident."""

    remedy: Remedy
    before: RemedyRecord
    after: RemedyRecord
    odds_before: float
    odds_after: float


def learned_from(
    incident: Incident, incidents: Sequence[Incident], allowed: Sequence[Remedy]
) -> tuple[LearnedRemedy, ...]:
    """One entry per remedy that policy allows or that was tried for the cause; empty if this incident tried none.

    `incidents` are those of the pipeline, as `incident_view` uses them.
    """
    own = _ended(incident.attempts)
    if not own:
        return ()
    others = [each for each in incidents if each.id != incident.id and each.cause is incident.cause]
    earlier = [
        attempt
        for each in others
        for attempt in _ended(each.attempts)
        if attempt.ended_at is not None and attempt.ended_at < incident.detected_at
    ]
    known = {*allowed, *(attempt.remedy for attempt in (*earlier, *own))} - {Remedy.ESCALATE}
    remedies = tuple(remedy for remedy in Remedy if remedy in known)
    before, after = _records(remedies, earlier), _records(remedies, [*earlier, *own])
    odds_before, odds_after = (_odds(incident, records) for records in (before, after))
    return tuple(LearnedRemedy(r, before[r], after[r], odds_before[r], odds_after[r]) for r in remedies)


def _ended(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [each for each in attempts if each.ended_at is not None and each.remedy is not Remedy.ESCALATE]


def _records(remedies: Sequence[Remedy], attempts: Sequence[Attempt]) -> dict[Remedy, RemedyRecord]:
    return {remedy: record_of([each for each in attempts if each.remedy is remedy]) for remedy in remedies}


def _odds(incident: Incident, records: dict[Remedy, RemedyRecord]) -> dict[Remedy, float]:
    """The same draws before and after, so that only the outcomes make a difference."""
    return dict(learned_order(tuple(records), records, Random(incident.id)).odds)  # noqa: S311 - no secret
