"""Incidents: causes, remedies, attempts, and the allowed status changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from healing.errors import IllegalTransition
from healing.moment import Moment


class Cause(StrEnum):
    """What went wrong. `docs/runbook.md` has a section per cause, `healing/detectors.py` says who detects it."""

    SOURCE_UNAVAILABLE = "source_unavailable"
    SOURCE_SLOW = "source_slow"
    SCHEMA_BREAK = "schema_break"
    NULL_SPIKE = "null_spike"
    BAD_ROWS = "bad_rows"
    VOLUME_ANOMALY = "volume_anomaly"
    STALE_DATA = "stale_data"
    DUPLICATE_DATA = "duplicate_data"
    DATA_DRIFT = "data_drift"
    QUALITY_DROP = "quality_drop"
    BAD_CANDIDATE = "bad_candidate"
    MODEL_CORRUPT = "model_corrupt"
    MODEL_FAILING = "model_failing"
    MODEL_SLOW = "model_slow"
    REGISTRY_UNAVAILABLE = "registry_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    ORCHESTRATOR_UNAVAILABLE = "orchestrator_unavailable"
    GATEWAY_DOWN = "gateway_down"
    GATEWAY_REFUSED = "gateway_refused"
    DISK_FULL = "disk_full"
    RESOURCE_PRESSURE = "resource_pressure"
    UNKNOWN = "unknown"


def known_cause(name: str) -> Cause:
    """The cause with this name; UNKNOWN for one that this version does not have, such as that of an older ledger."""
    return Cause(name) if name in set(Cause) else Cause.UNKNOWN


class Remedy(StrEnum):
    """What can be done about a cause, mildest first. `tasks/incidents/remedies/` has one file per remedy."""

    WAIT = "wait"
    RETRY = "retry"
    SWITCH_SOURCE = "switch_source"
    REPAIR_BATCH = "repair_batch"
    QUARANTINE_BATCH = "quarantine_batch"
    RESTORE_SNAPSHOT = "restore_snapshot"
    FREE_DISK = "free_disk"
    RESTART_WORKER = "restart_worker"
    RESTART_SERVICE = "restart_service"
    ABORT_CANARY = "abort_canary"
    ROLLBACK = "rollback"
    REPUBLISH = "republish"
    RETRAIN = "retrain"
    PAUSE_PIPELINE = "pause_pipeline"
    ESCALATE = "escalate"


class Status(StrEnum):
    """Progress of an incident."""

    OPEN = "open"
    DIAGNOSED = "diagnosed"
    HEALING = "healing"
    RECOVERED = "recovered"
    ESCALATED = "escalated"
    DISMISSED = "dismissed"


ENDED = frozenset({Status.RECOVERED, Status.ESCALATED, Status.DISMISSED})

_ALLOWED_CHANGES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.OPEN: frozenset({Status.DIAGNOSED, Status.DISMISSED, Status.ESCALATED}),
        Status.DIAGNOSED: frozenset({Status.HEALING, Status.DISMISSED, Status.ESCALATED, Status.RECOVERED}),
        Status.HEALING: frozenset({Status.HEALING, Status.RECOVERED, Status.ESCALATED}),
        Status.RECOVERED: frozenset(),
        Status.ESCALATED: frozenset({Status.ESCALATED, Status.RECOVERED, Status.DISMISSED}),  # people healed it
        Status.DISMISSED: frozenset(),
    }
)


class AttemptOutcome(StrEnum):
    """Result of an attempt. RUNNING is recorded before the remedy starts."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # it did not help; another attempt may
    FUTILE = "futile"  # it cannot help; the remedy is not tried again for this incident


@dataclass(frozen=True, slots=True)
class Attempt:
    """One application of one remedy. `flow_run_id` names the Prefect run that carries it.

    `lease_token` is that of the healer that started it; None for an attempt that the flow `ingest` records itself.
    `started_on` is the start on the boot clock, where it was recorded. At `applied` the remedy had done its part and
    verification began.
    """

    number: int
    remedy: Remedy
    started_at: datetime
    outcome: AttemptOutcome = AttemptOutcome.RUNNING
    ended_at: datetime | None = None
    flow_run_id: str | None = None
    note: str = ""
    lease_token: int | None = None
    started_on: Moment | None = None
    applied: Moment | None = None

    @property
    def started(self) -> Moment:
        """The start, for durations."""
        return self.started_on or Moment(self.started_at)


@dataclass(frozen=True, slots=True)
class Incident:
    """A problem of one subject of one pipeline, from its detection to its end.

    At most one incident is unfinished per (pipeline, cause, subject). At `mitigated_at`, service was back within its
    SLO, if only from a fallback.
    """

    id: str
    pipeline: str
    cause: Cause
    subject: str
    status: Status
    detected_at: datetime
    summary: str = ""
    mitigated_at: datetime | None = None
    ended_at: datetime | None = None
    evidence: tuple[Mapping[str, object], ...] = ()
    attempts: tuple[Attempt, ...] = field(default=())

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def running_attempt(self) -> Attempt | None:
        """The attempt that has started and has no recorded end."""
        return next((a for a in reversed(self.attempts) if a.outcome is AttemptOutcome.RUNNING), None)


def check_status_change(previous: Status, following: Status) -> None:
    """Raise IllegalTransition unless an incident may change from `previous` to `following`."""
    if following not in _ALLOWED_CHANGES[previous]:
        allowed = ", ".join(sorted(_ALLOWED_CHANGES[previous])) or "nothing: it has ended"
        raise IllegalTransition(f"an incident that is {previous} may become {allowed}; found {following}")
