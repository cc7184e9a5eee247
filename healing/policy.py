"""Policy: which remedies treat which cause, in which order, and within which limits. `healing.plan` applies it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from healing.detectors import FOUND_BY_INGESTION
from healing.incident import Cause, Remedy
from healing.limits import Limits
from healing.maintenance import MaintenanceWindow

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
            Cause.REGISTRY_UNAVAILABLE,
            Cause.STORE_UNAVAILABLE,
            Cause.ORCHESTRATOR_UNAVAILABLE,
            Cause.GATEWAY_DOWN,
            Cause.DISK_FULL,
            Cause.RESOURCE_PRESSURE,
        },
        Remedy.RETRY: FOUND_BY_INGESTION,
        Remedy.SWITCH_SOURCE: FOUND_BY_INGESTION | {Cause.SOURCE_SLOW},
        Remedy.REPAIR_BATCH: _BATCH_CAUSES - {Cause.VOLUME_ANOMALY, Cause.STALE_DATA},
        Remedy.QUARANTINE_BATCH: _BATCH_CAUSES,
        Remedy.RESTORE_SNAPSHOT: _BATCH_CAUSES,
        # A restarted worker loads a corrupt model's bytes again.
        Remedy.RESTART_WORKER: frozenset({Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.RESOURCE_PRESSURE}),
        Remedy.FREE_DISK: frozenset({Cause.DISK_FULL}),
        Remedy.REPUBLISH: frozenset({Cause.STORE_UNAVAILABLE, Cause.MODEL_CORRUPT}),
        Remedy.RESTART_SERVICE: frozenset({Cause.ORCHESTRATOR_UNAVAILABLE, Cause.GATEWAY_DOWN}),
        Remedy.ABORT_CANARY: _MODEL_CAUSES,
        Remedy.ROLLBACK: _MODEL_CAUSES,
        Remedy.RETRAIN: _MODEL_CAUSES | {Cause.DATA_DRIFT, Cause.QUALITY_DROP},
        Remedy.PAUSE_PIPELINE: FOUND_BY_INGESTION | {Cause.DATA_DRIFT, Cause.QUALITY_DROP, Cause.BAD_CANDIDATE},
        Remedy.ESCALATE: frozenset(Cause),
    }
)

# Mildest first.
DEFAULT_REMEDIES: Mapping[Cause, tuple[Remedy, ...]] = MappingProxyType(
    {
        Cause.SOURCE_UNAVAILABLE: (Remedy.RETRY, Remedy.SWITCH_SOURCE),
        Cause.SOURCE_SLOW: (Remedy.SWITCH_SOURCE,),
        Cause.SCHEMA_BREAK: (Remedy.REPAIR_BATCH, Remedy.QUARANTINE_BATCH),
        # Where bad rows can neither be kept out nor taken out, no model may be trained on them.
        Cause.NULL_SPIKE: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT, Remedy.PAUSE_PIPELINE),
        Cause.BAD_ROWS: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT, Remedy.PAUSE_PIPELINE),
        Cause.VOLUME_ANOMALY: (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT, Remedy.PAUSE_PIPELINE),
        Cause.STALE_DATA: (Remedy.WAIT, Remedy.RETRY),
        Cause.DUPLICATE_DATA: (Remedy.REPAIR_BATCH,),
        Cause.DATA_DRIFT: (Remedy.RETRAIN,),
        Cause.QUALITY_DROP: (Remedy.RETRAIN,),
        Cause.BAD_CANDIDATE: (Remedy.ABORT_CANARY, Remedy.ROLLBACK),  # labels may arrive after the promotion
        Cause.MODEL_CORRUPT: (Remedy.ROLLBACK, Remedy.REPUBLISH),  # the first model has nothing to roll back to
        Cause.MODEL_FAILING: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.MODEL_SLOW: (Remedy.RESTART_WORKER, Remedy.ROLLBACK),
        Cause.REGISTRY_UNAVAILABLE: (Remedy.WAIT,),
        Cause.STORE_UNAVAILABLE: (Remedy.WAIT, Remedy.REPUBLISH),
        Cause.ORCHESTRATOR_UNAVAILABLE: (Remedy.WAIT, Remedy.RESTART_SERVICE),
        Cause.GATEWAY_DOWN: (Remedy.WAIT, Remedy.RESTART_SERVICE),
        Cause.GATEWAY_REFUSED: (Remedy.ESCALATE,),  # only a person can give the key
        Cause.DISK_FULL: (Remedy.WAIT, Remedy.FREE_DISK),
        Cause.RESOURCE_PRESSURE: (Remedy.WAIT,),
        Cause.UNKNOWN: (Remedy.ESCALATE,),
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The remedies allowed for each cause, in order, and what they have to keep to.

    A cause without remedies is escalated at once. `cause_limits` replaces `limits` for some causes. A person approves
    each attempt of a remedy in `approvals`. `windows` hold remedies back for a time, `disabled`
    are those that a drill took out.
    """

    remedies: Mapping[Cause, tuple[Remedy, ...]] = field(default_factory=lambda: DEFAULT_REMEDIES)
    limits: Limits = field(default_factory=Limits)
    cause_limits: Mapping[Cause, Limits] = field(default_factory=dict)
    approvals: Mapping[Cause, frozenset[Remedy]] = field(default_factory=dict)
    windows: tuple[MaintenanceWindow, ...] = ()
    disabled: Mapping[Cause, tuple[Remedy, ...]] = field(default_factory=dict)

    def limits_for(self, cause: Cause) -> Limits:
        """The limits of this cause."""
        return self.cause_limits.get(cause, self.limits)

    def without(self, disabled: Collection[Remedy]) -> "Policy":
        """This policy without some remedies."""
        kept = {cause: tuple(r for r in order if r not in disabled) for cause, order in self.remedies.items()}
        taken = {cause: tuple(r for r in order if r in disabled) for cause, order in self.remedies.items()}
        return replace(self, remedies=kept, disabled=taken) if disabled else self

    def holding_for(self, seconds: float) -> "Policy":
        """This policy with one hold time for every cause."""
        limits = {cause: replace(each, hold_seconds=seconds) for cause, each in self.cause_limits.items()}
        return replace(self, limits=replace(self.limits, hold_seconds=seconds), cause_limits=limits)


def remedies_for(cause: Cause) -> tuple[Remedy, ...]:
    """The remedies that can treat the cause, mildest first."""
    return tuple(remedy for remedy in Remedy if cause in TREATABLE_CAUSES[remedy])
