"""Records that the ledger stores besides incidents: batches, feature days, checks and journal entries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from healing.errors import ContractBroken
from healing.incident import Cause
from healing.verdict import Verdict


class BatchStatus(StrEnum):
    """What ingestion did with a batch."""

    ACCEPTED = "accepted"
    REPAIRED = "repaired"  # accepted after a repair that the contract allows
    QUARANTINED = "quarantined"  # some or all of its rows are in quarantine
    REJECTED = "rejected"  # no row was accepted


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch and where each of its rows went.

    ContractBroken unless received == accepted + quarantined + duplicates. `revision` counts the versions that the
    source sent: 2 is the first correction. `sha256` (64 hex digits) is the digest of its bytes.
    """

    pipeline: str
    batch_id: str
    table: str
    day: date
    source: str
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    status: BatchStatus
    recorded_at: datetime
    lake_version: int | None = None
    repairs: tuple[str, ...] = ()
    revision: int = 1
    sha256: str = ""

    def __post_init__(self) -> None:
        counts = (self.received, self.accepted, self.quarantined, self.duplicates)
        if min(counts) < 0 or self.received != self.accepted + self.quarantined + self.duplicates:
            raise ContractBroken(
                f"batch {self.batch_id}: expected received = accepted + quarantined + duplicates, found "
                f"{self.received} = {self.accepted} + {self.quarantined} + {self.duplicates}; rows were lost or added"
            )


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """A day with features in the lake. `inputs` is the sum of the revisions of all batches they were computed from."""

    pipeline: str
    day: date
    inputs: int
    rows: int
    lake_version: int


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check of the monitor over one window of event time. `cause` is the cause that a FAIL is evidence of.

    `heal` uses the latest record per check name: it confirms an incident while a check of the incident's cause FAILs.
    """

    pipeline: str
    cause: Cause
    verdict: Verdict
    window_from: datetime
    window_until: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change. `at_monotonic_ns` is a reading of the host's monotonic clock, for intervals on one machine.

    `kind` is a noun and a verb (`incident.opened`, `attempt.finished`, `batch.recorded`, `check.recorded`, or the
    caller's own). `subject` is the id of what changed.
    """

    id: int
    at: datetime
    at_monotonic_ns: int
    pipeline: str
    kind: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)
