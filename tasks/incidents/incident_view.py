"""What the plan of an incident depends on, read from ledger, signals, flow runs and policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from healing.common_cause import common_cause
from healing.detectors import FOUND_BY_INGESTION
from healing.diagnosis import Presence, Signals, confirm
from healing.errors import OrchestratorUnavailable
from healing.incident import Attempt, Cause, Incident, Remedy, Status
from healing.maintenance import held_back
from healing.moment import Moment, elapsed_seconds
from healing.plan import Carrier, View
from healing.policy import Policy
from healing.remedy_order import LearnedOrder, learned_order, record_of
from healing.verdict import Outcome, Verdict
from tasks.config.settings import Settings
from tasks.incidents.mitigation import MitigationWatch
from tasks.incidents.remedy_registry import find_remedy, registered_remedies
from tasks.ingestion.run_record import SCHEDULE
from tasks.lake.write_locks import WriteLock
from tasks.ledger.store import Ledger
from tasks.runtime.file_locks import is_held
from tasks.runtime.flow_runs import RunState, run_state

DAY_SECONDS = 86_400.0
INGEST_SECONDS = 60.0  # ingestion treats its own incidents; healing starts it after this time without an attempt


@dataclass(slots=True)
class Memory:
    """What one process has observed without a break: since when each presence holds, and each verification passes.

    It is lost with the process, and the hold times then begin anew.
    """

    presence: dict[str, tuple[Presence, Moment]] = field(default_factory=dict)
    passing: dict[str, Moment] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    mitigation: MitigationWatch = field(default_factory=MitigationWatch)

    def presence_seconds(self, incident: Incident, presence: Presence, now: Moment) -> float:
        """For how long the incident has had this presence."""
        known = self.presence.get(incident.id)
        if known is None or known[0] is not presence:
            self.presence[incident.id] = (presence, now)
            return 0.0
        return elapsed_seconds(known[1], now)

    def record_verdict(self, incident: Incident, verdict: Verdict, now: Moment) -> None:
        """Keep the latest verification, and since when it passes."""
        self.verdicts[incident.id] = verdict
        if verdict.outcome is not Outcome.PASS:
            self.passing.pop(incident.id, None)
        else:
            self.passing.setdefault(incident.id, now)

    def forget_verification(self, incident: Incident) -> None:
        """Start over: another attempt begins, or this one ends."""
        self.passing.pop(incident.id, None)
        self.verdicts.pop(incident.id, None)


def view_of(
    incident: Incident,
    signals: Signals,
    policy: Policy,
    memory: Memory,
    now: Moment,
    *,
    settings: Settings,
    ledger: Ledger,
    token: int | None,
) -> View:
    """The view of the incident at `now`. `token` is that of this process's lease."""
    confirmation = confirm(incident, signals)
    counted_seconds = max(DAY_SECONDS, policy.limits_for(incident.cause).window_seconds)
    others = ledger.related_incidents(incident, now.wall - timedelta(seconds=counted_seconds))
    earlier = [each for each in others if (each.cause, each.subject) == (incident.cause, incident.subject)]
    passing = memory.passing.get(incident.id)
    explained_by = common_cause(incident.cause, signals.serving, signals.shared_problems)
    allowed = _allowed_remedies(incident.cause, explained_by, policy)
    learned = _learned_order(incident, others, allowed) if settings.heal_learning else LearnedOrder(allowed, {})
    return View(
        confirmation=confirmation,
        order=learned.order,
        odds=learned.odds,
        present_seconds=memory.presence_seconds(incident, confirmation.presence, now),
        earlier=[attempt for each in earlier for attempt in each.attempts],
        attempts_today=_attempts_today([incident, *others], incident, now),
        recoveries=[Moment(each.ended_at) for each in earlier if each.status is Status.RECOVERED and each.ended_at],
        carrier=_carrier(incident, settings, token),
        verification=memory.verdicts.get(incident.id),
        verified_seconds=0.0 if passing is None else elapsed_seconds(passing, now),
        run_seconds_max={action.remedy: action.seconds_max for action in registered_remedies()},
        explained_by=explained_by,
        explanation_reported=any(problem.cause is explained_by for problem in signals.shared_problems),
        blocked_by=_blocked_by(incident, others, policy, now),
        approval_needed=policy.approvals.get(incident.cause, frozenset()),
        approvals=ledger.approvals(incident.id) if incident.cause in policy.approvals else (),
        held_back=held_back(policy.windows, incident.pipeline, incident.cause, now.wall),
        reminded=Moment(incident.ended_at) if incident.ended_at else None,
    )


def _allowed_remedies(cause: Cause, explained_by: Cause | None, policy: Policy) -> tuple[Remedy, ...]:
    """What policy allows for the cause. For a symptom, only what it allows for the common cause as well."""
    allowed = tuple(policy.remedies.get(cause, ()))
    if explained_by is None or explained_by is cause:
        return allowed
    return tuple(remedy for remedy in allowed if remedy in policy.remedies.get(explained_by, ()))


def _learned_order(incident: Incident, others: Sequence[Incident], allowed: Sequence[Remedy]) -> LearnedOrder:
    """The allowed remedies in an order drawn from the outcomes for this cause.

    The seed is the incident and its number of attempts, so that the order stays the same until the next attempt.
    """
    ended = [a for each in others if each.cause is incident.cause for a in each.attempts if a.ended_at is not None]
    records = {remedy: record_of([attempt for attempt in ended if attempt.remedy is remedy]) for remedy in allowed}
    seeded = Random(f"{incident.id}/{len(incident.attempts)}")  # noqa: S311 - an order of remedies is no secret
    return learned_order(allowed, records, seeded)


def _attempts_today(incidents: Sequence[Incident], incident: Incident, now: Moment) -> int:
    attempts = [attempt for each in incidents if each.cause is incident.cause for attempt in each.attempts]
    return sum(
        attempt.remedy is not Remedy.ESCALATE and elapsed_seconds(attempt.started, now) < DAY_SECONDS
        for attempt in attempts
    )


def _carrier(incident: Incident, settings: Settings, token: int | None) -> Carrier:
    """State of whatever carries the running attempt: a flow run, an ingest in another process, or a healer."""
    attempt = incident.running_attempt
    if attempt is None:
        return Carrier.UNKNOWN
    if attempt.flow_run_id is not None:
        try:
            return Carrier.ALIVE if run_state(attempt.flow_run_id) is RunState.ACTIVE else Carrier.LOST
        except OrchestratorUnavailable:
            return Carrier.UNKNOWN
    if attempt.lease_token is None and incident.cause in FOUND_BY_INGESTION:
        ingesting = is_held(settings.lake_dir(incident.pipeline) / WriteLock.INGEST)
        return Carrier.ALIVE if ingesting else Carrier.LOST
    # Short remedies run inside this process, one after the other: one that is on record and not running was cut off.
    newer = token is not None and attempt.lease_token is not None and attempt.lease_token > token
    return Carrier.ALIVE if newer else Carrier.LOST


def _blocked_by(incident: Incident, others: Sequence[Incident], policy: Policy, now: Moment) -> str | None:
    """Why no remedy may start now."""
    is_ingesting = incident.cause in FOUND_BY_INGESTION and incident.subject != SCHEDULE
    if is_ingesting and not _ingestion_is_silent(incident, now):
        return "ingestion is treating it"
    for remedy in policy.remedies.get(incident.cause, ()):
        action = find_remedy(remedy, incident.cause)
        if action is not None and action.one_per_pipeline:
            other = _running_elsewhere(others, remedy)
            if other is not None:
                return f"waits for the {remedy} of incident {other.id}"
    return None


def _running_elsewhere(others: Sequence[Incident], remedy: Remedy) -> Incident | None:
    for other in others:
        running: Attempt | None = other.running_attempt
        if running is not None and running.remedy is remedy:
            return other
    return None


def _ingestion_is_silent(incident: Incident, now: Moment) -> bool:
    """Whether ingestion has made no attempt for INGEST_SECONDS."""
    own = [attempt.started for attempt in incident.attempts if attempt.lease_token is None]  # the others are a healer's
    times = [Moment(incident.detected_at), *own]
    return min(elapsed_seconds(moment, now) for moment in times) > INGEST_SECONDS
