"""A batch after validation: its accepted rows, its bad rows with reasons, and what was found and repaired."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from tasks.ingestion.sources import Batch
from tasks.ingestion.validation.findings import BatchFinding, CheckResult
from tasks.ledger.records import BatchRecord, BatchStatus


@dataclass(frozen=True)
class ValidatedBatch:
    """A batch that was checked against its contract.

    `good` holds the rows that may be committed, in Arrow types. `bad` maps the position of a row in the batch to the
    reason why it may not. `rejected` is the reason when no row may. `previous` is the ledger's record of the batch,
    None before its first revision.
    """

    batch: Batch
    good: pa.Table
    bad: dict[int, str]
    repairs: tuple[str, ...] = ()
    findings: tuple[BatchFinding, ...] = ()
    rejected: str | None = None
    checks: tuple[CheckResult, ...] = ()
    previous: BatchRecord | None = None

    @property
    def received(self) -> int:
        return int(self.batch.text.num_rows)

    @property
    def reasons(self) -> dict[str, int]:
        """Number of bad rows by reason."""
        return dict(Counter(self.bad.values()))

    @property
    def status(self) -> BatchStatus:
        if self.rejected is not None:
            return BatchStatus.REJECTED
        if self.bad:
            return BatchStatus.QUARANTINED
        return BatchStatus.REPAIRED if self.repairs else BatchStatus.ACCEPTED

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes that the source sent, as 64 hex digits."""
        return hashlib.sha256(self.batch.content).hexdigest()

    @property
    def revision(self) -> int:
        """1 for the first version that a source sent, 2 for the first correction."""
        return 1 if self.previous is None else self.previous.revision + 1

    @property
    def is_new(self) -> bool:
        """Whether it may change anything: the bytes are new, or fewer of the same rows are bad.

        The same bytes have fewer bad rows when the contract was changed, or when a person released rows.
        """
        if self.previous is None or self.previous.sha256 != self.sha256:
            return True
        return len(self.bad) < self.previous.quarantined

    @property
    def is_refused_correction(self) -> bool:
        """Whether it is a rejected correction of a batch with accepted rows; these stay as they are."""
        return self.rejected is not None and self.previous is not None and self.previous.accepted > 0
