"""Revisions of a batch: a source that corrects a day sends it again, and only what is news is taken."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import Examined
from tasks.ledger.records import BatchRecord


@dataclass(frozen=True)
class Revision:
    """What a source sent for a batch of which the ledger knows `known`, or nothing yet.

    `sha256` (64 hex digits) is that of the bytes.
    """

    judged: Examined
    known: BatchRecord | None
    sha256: str

    @property
    def number(self) -> int:
        """1 for what came first, 2 for the first correction."""
        return 1 if self.known is None else self.known.revision + 1

    @property
    def refused(self) -> bool:
        """Whether it is a correction that may not go in, of a batch that did: then what is in stays as it is."""
        return self.judged.rejected is not None and self.known is not None and self.known.accepted > 0

    @property
    def is_news(self) -> bool:
        """Whether it may change anything: other bytes, or the same that now hold fewer bad rows.

        The same bytes are judged better when the contract was changed meanwhile, or a person vouched for rows.
        """
        if self.known is None or self.known.sha256 != self.sha256:
            return True
        return len(self.judged.bad) < self.known.quarantined


def revisions(stores: Stores, found: Sequence[Examined]) -> list[Revision]:
    """Those of the examined batches that are news, given what the ledger knows now."""
    known = stores.ledger.batches_by_id(stores.pipeline.name, [judged.batch.id for judged in found])
    each = [
        Revision(judged, known.get(judged.batch.id), hashlib.sha256(judged.batch.content).hexdigest())
        for judged in found
    ]
    return [revision for revision in each if revision.is_news]
