"""Policy: which remedies treat which cause, in which order, and how often. `next_step` applies it to an incident."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from healing.detectors import FOUND_BY_INGESTION
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy

DAY = timedelta(days=1)

_BATCH_CAUSES = frozenset(
    {
        Cause.SCHEMA_BREAK,
        Cause.NULL_SPIKE,
        Cause.BAD_ROWS,
        Cause.VOLUME_ANOMALY,
        Cause.STALE_DATA,
        Cause.DUPLICATE_DATA,
    }
)
_MODEL_CAUSES = frozenset({Cause.MODEL_CORRUPT, Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.BAD_CANDIDATE})

# Which causes a remedy can treat. A policy that names it for another cause is refused.
TREATABLE_CAUSES: Mapping[Remedy, frozenset[Cause]] = MappingProxyType(
    {
        Remedy.WAIT: FOUND_BY_INGESTION
        | {
            Cause.MODEL_FAILING,
            Cause.MODEL_SLOW,
            Cause.STORE_UNAVAILABLE,
            Cause.GATEWAY_DOWN,
            Cause.DISK_FULL,
            Cause.RESOURCE_PRESSURE,
        },
        Remedy.RETRY: FOUND_BY_INGESTION,
        Remedy.SWITCH_SOURCE: FOUND_BY_INGESTION,
        Remedy.REPAIR_BATCH: _BATCH_CAUSES - {Cause.VOLUME_ANOMALY, Cause.STALE_DATA},
        Remedy.QUARANTINE_BATCH: _BATCH_CAUSES,
        Remedy.RESTORE_SNAPSHOT: _BATCH_CAUSES,
        # A restarted worker loads a corrupt model's bytes again.
        Remedy.RESTART_WORKER: frozenset({Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.RESOURCE_PRESSURE}),
        Remedy.ABORT_CANARY: _MODEL_CAUSES,
        Remedy.ROLLBACK: _MODEL_CAUSES,
        Remedy.RETRAIN: _MODEL_CAUSES | {Cause.DATA_DRIFT, Cause.QUALITY_DROP},
        Remedy.ESCALATE: frozenset(Cause),
    }
)

# Mildest first.
DEFAULT_REMEDIES: Mapping[Cause, tuple[Remedy, ...]] = MappingProxyType(
    {
        Cause.SOURCE_UNAVAILABLE: (Remedy.RETRY, Remedy.SWITCH_SOURCE),
        Cause.SCHEMA_BREAK: (Remedy.REPAIR_BATCH, Remedy.QUARANTINE_BATCH),
        Cause.NULL_SPIKE: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.BAD_ROWS: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.VOLUME_ANOMALY: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.STALE_DATA: (Remedy.WAIT, Remedy.RETRY),
        Cause.DUPLICATE_DATA: (Remedy.REPAIR_BATCH,),
        Cause.DATA_DRIFT: (Remedy.RETRAIN,),
        Cause.QUALITY_DROP: (Remedy.RETRAIN,),
        Cause.BAD_CANDIDATE: (Remedy.ABORT_CANARY, Remedy.ROLLBACK),  # labels may arrive after the promotion
        Cause.MODEL_CORRUPT: (Remedy.ROLLBACK,),
        Cause.MODEL_FAILING: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.MODEL_SLOW: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.STORE_UNAVAILABLE: (Remedy.WAIT,),
        Cause.GATEWAY_DOWN: (Remedy.WAIT,),
        Cause.DISK_FULL: (Remedy.WAIT,),
        Cause.RESOURCE_PRESSURE: (Remedy.WAIT,),
        Cause.UNKNOWN: (Remedy.ESCALATE,),
    }
)


@dataclass(frozen=True, slots=True)
class Budget:
    """How many attempts are made before the incident is escalated."""

    attempts_max: int = 3  # per incident
    cooldown: timedelta = timedelta(seconds=30)  # between two starts of the same remedy, doubled with each attempt
    attempts_daily_max: int = 24  # per cause: a remedy that is needed every hour does not heal


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply this remedy now."""

    remedy: Remedy


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until this time before the next attempt."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hand the incident to a person, because no allowed remedy is left."""

    reason: str


NextStep = Apply | WaitUntil | Escalate


@dataclass(frozen=True, slots=True)
class Policy:
    """The remedies allowed for each cause, in order, and the budgets."""

    remedies: Mapping[Cause, tuple[Remedy, ...]] = field(default_factory=lambda: DEFAULT_REMEDIES)
    budget: Budget = field(default_factory=Budget)

    def overridden(self, remedies: Mapping[Cause, tuple[Remedy, ...]]) -> "Policy":
        """This policy with a pipeline's own remedies for some causes. A cause without remedies is escalated at once."""
        return Policy(remedies=MappingProxyType({**self.remedies, **remedies}), budget=self.budget)


def remedies_for(cause: Cause) -> tuple[Remedy, ...]:
    """The remedies that can treat the cause, mildest first."""
    return tuple(remedy for remedy in Remedy if cause in TREATABLE_CAUSES[remedy])


def next_step(incident: Incident, policy: Policy, now: datetime, attempts_of_cause: Sequence[Attempt] = ()) -> NextStep:
    """The next step for an unfinished incident that has no running attempt.

    Every allowed remedy is tried once, mildest first, before one is tried again. A futile remedy is not tried again.
    `attempts_of_cause` are the attempts of all incidents of this pipeline and cause, for the daily cap.
    """
    tried = [attempt for attempt in incident.attempts if attempt.remedy is not Remedy.ESCALATE]
    if len(tried) >= policy.budget.attempts_max:
        return Escalate(f"{len(tried)} attempts did not help, the budget is {policy.budget.attempts_max}")
    today = sum(1 for attempt in attempts_of_cause if now - attempt.started_at < DAY)
    if today >= policy.budget.attempts_daily_max:
        return Escalate(
            f"{today} attempts for {incident.cause} within a day, the cap is {policy.budget.attempts_daily_max}"
        )
    remedy = _mildest_remedy(policy.remedies.get(incident.cause, ()), tried)
    if remedy is None:
        return Escalate(f"policy has no further remedy for {incident.cause}")
    if remedy is Remedy.ESCALATE:
        return Escalate(f"policy escalates {incident.cause}")
    until = _cooldown_end([attempt for attempt in tried if attempt.remedy is remedy], policy.budget.cooldown)
    if until is not None and now < until:
        return WaitUntil(until, f"{remedy} failed and waits for its cool-down")
    return Apply(remedy)


def _mildest_remedy(allowed: Sequence[Remedy], tried: Sequence[Attempt]) -> Remedy | None:
    """The remedy with the fewest attempts, the mildest of those; None if all are futile."""
    futile = {attempt.remedy for attempt in tried if attempt.outcome is AttemptOutcome.FUTILE}
    left = [remedy for remedy in allowed if remedy not in futile]
    attempts = {remedy: sum(1 for attempt in tried if attempt.remedy is remedy) for remedy in left}
    return min(left, key=lambda remedy: attempts[remedy], default=None)


def _cooldown_end(tried: Sequence[Attempt], cooldown: timedelta) -> datetime | None:
    """When a remedy with these attempts may start again; None before its first attempt.

    The cool-down counts from the last start, so an attempt that was lost after minutes needs no further wait.
    """
    starts = [attempt.started_at for attempt in tried]
    return max(starts) + cooldown * 2 ** (len(starts) - 1) if starts else None
