"""Which remedy comes next for an incident: policy maps a cause to remedies, budgets bound how often they are tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy

DAY = timedelta(days=1)

# Mildest first. A remedy stands here only where it can work: a retrain does not bring back a source.
DEFAULT_REMEDIES: Mapping[Cause, tuple[Remedy, ...]] = MappingProxyType(
    {
        Cause.SOURCE_UNAVAILABLE: (Remedy.RETRY, Remedy.SWITCH_SOURCE),
        Cause.SOURCE_SLOW: (Remedy.RETRY, Remedy.SWITCH_SOURCE),
        Cause.SCHEMA_BREAK: (Remedy.REPAIR_BATCH, Remedy.QUARANTINE_BATCH),
        Cause.NULL_SPIKE: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.BAD_ROWS: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.VOLUME_ANOMALY: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT),
        Cause.STALE_DATA: (Remedy.WAIT, Remedy.RETRY),
        Cause.DUPLICATE_DATA: (Remedy.REPAIR_BATCH,),
        Cause.DATA_DRIFT: (Remedy.RETRAIN,),
        Cause.PREDICTION_DRIFT: (Remedy.RETRAIN,),
        Cause.QUALITY_DROP: (Remedy.RETRAIN,),
        Cause.BAD_CANDIDATE: (Remedy.ABORT_CANARY, Remedy.ROLLBACK),  # labels may come after the promotion
        Cause.MODEL_CORRUPT: (Remedy.ROLLBACK,),  # a restart would load the same bytes
        Cause.MODEL_FAILING: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.MODEL_SLOW: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.REGISTRY_UNAVAILABLE: (Remedy.WAIT,),
        Cause.STORE_UNAVAILABLE: (Remedy.WAIT,),
        Cause.ORCHESTRATOR_UNAVAILABLE: (Remedy.WAIT,),
        Cause.GATEWAY_DOWN: (Remedy.WAIT,),
        Cause.DISK_FULL: (Remedy.WAIT,),
        Cause.RESOURCE_PRESSURE: (Remedy.WAIT,),
        Cause.UNKNOWN: (Remedy.ESCALATE,),
    }
)


@dataclass(frozen=True, slots=True)
class Budget:
    """How often healing may try before a person is called."""

    attempts_max: int = 3  # an incident
    cooldown: timedelta = timedelta(seconds=30)  # between starts of the same remedy, doubled each time
    attempts_daily_max: int = 24  # a cause: a remedy that is needed every hour does not heal


@dataclass(frozen=True, slots=True)
class Apply:
    """Try this remedy now."""

    remedy: Remedy


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Too early for the next attempt."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Escalate:
    """Healing is at its end; call a person."""

    reason: str


Step = Apply | WaitUntil | Escalate


@dataclass(frozen=True, slots=True)
class Policy:
    """The remedies allowed for each cause, in order, and the budgets."""

    remedies: Mapping[Cause, tuple[Remedy, ...]] = field(default_factory=lambda: DEFAULT_REMEDIES)
    budget: Budget = field(default_factory=Budget)

    def overridden(self, remedies: Mapping[Cause, tuple[Remedy, ...]]) -> "Policy":
        """This policy with a pipeline's own order for some causes; an empty tuple leaves a cause to people."""
        return Policy(remedies=MappingProxyType({**self.remedies, **remedies}), budget=self.budget)


def next_step(incident: Incident, policy: Policy, now: datetime, attempts_of_cause: Sequence[Attempt] = ()) -> Step:
    """What to do about an unfinished incident that has no running attempt.

    Every allowed remedy is tried once, mildest first, before one is tried again; one that proved futile never is.
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
    remedy = _mildest(policy.remedies.get(incident.cause, ()), tried)
    if remedy is None:
        return Escalate(f"policy has no further remedy for {incident.cause}")
    if remedy is Remedy.ESCALATE:
        return Escalate(f"policy asks for a person about {incident.cause}")
    until = _cooled_down([attempt for attempt in tried if attempt.remedy is remedy], policy.budget.cooldown)
    if until is not None and now < until:
        return WaitUntil(until, f"{remedy} rests after it failed")
    return Apply(remedy)


def _mildest(allowed: Sequence[Remedy], tried: Sequence[Attempt]) -> Remedy | None:
    """The remedy with the fewest failures, mildest first among equals; None when all are futile."""
    futile = {attempt.remedy for attempt in tried if attempt.outcome is AttemptOutcome.FUTILE}
    left = [remedy for remedy in allowed if remedy not in futile]
    failures = {remedy: sum(1 for attempt in tried if attempt.remedy is remedy) for remedy in left}
    return min(left, key=lambda remedy: failures[remedy], default=None)


def _cooled_down(tried: Sequence[Attempt], cooldown: timedelta) -> datetime | None:
    """When a remedy with these attempts may start again; None before its first. Another remedy need not wait.

    Counted between starts: an attempt that was cut off after minutes has rested by then.
    """
    starts = [attempt.started_at for attempt in tried]
    return max(starts) + cooldown * 2 ** (len(starts) - 1) if starts else None
