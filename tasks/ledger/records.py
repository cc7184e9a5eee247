"""What the ledger remembers besides incidents: batches, checks and the journal of every change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from healing.errors import ContractBroken
from healing.incident import Cause
from healing.verdict import Verdict


class BatchStatus(StrEnum):
    """What became of a batch."""

    ACCEPTED = "accepted"
    REPAIRED = "repaired"  # accepted after a repair that the contract allows
    QUARANTINED = "quarantined"  # part or all of it was set aside
    REJECTED = "rejected"  # nothing of it was taken


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch and where each of its rows went.

    Rows are conserved: received == accepted + quarantined + duplicates, or ContractBroken. `revision` counts what the
    source sent for it: 2 is the first correction. `sha256` (64 hex digits) is that of the bytes.
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
                f"{self.received} = {self.accepted} + {self.quarantined} + {self.duplicates}; rows were lost or made up"
            )


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """A day whose features are in the lake. `inputs` counts the revisions of all batches that they were made from."""

    pipeline: str
    day: date
    inputs: int
    rows: int
    lake_version: int


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check of the monitor over one window of event time: `verdict.check` names it, `cause` what a FAIL points to.

    The latest record of every check name is what `heal` believes: an incident with this cause is confirmed while some
    check of that cause FAILs.
    """

    pipeline: str
    cause: Cause
    verdict: Verdict
    window_from: datetime
    window_until: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change, in the order of writing. `at_monotonic_ns` is the host's monotonic clock: intervals on one machine.

    `kind` is a dotted noun and verb (`incident.opened`, `attempt.finished`, `batch.recorded`, `check.recorded`, or the
    caller's own); `subject` the id it is about.
    """

    id: int
    at: datetime
    at_monotonic_ns: int
    pipeline: str
    kind: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)
