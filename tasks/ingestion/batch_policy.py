"""Validation within policy: a batch that needs a forbidden remedy is rejected."""

from collections.abc import Sequence
from dataclasses import replace

from healing.incident import Remedy
from tasks.ingestion.sources import Batch
from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.batch_history import BatchHistory
from tasks.ingestion.validation.batch_verdict import reject
from tasks.ingestion.validation.findings import BatchFinding
from tasks.ingestion.validation.validated_batch import ValidatedBatch

_CHANGE_ROWS = (Remedy.REPAIR_BATCH, Remedy.QUARANTINE_BATCH)  # of an accepted batch


def validate_within_policy(
    stores: Stores, table: str, batches: Sequence[Batch], history: BatchHistory | None = None
) -> list[ValidatedBatch]:
    """Validate batches of one table as `validate_batches` does, and repair or set rows aside only as policy allows."""
    return [_within_policy(stores, each) for each in validate_batches(stores.pipeline, table, batches, history)]


def allowed_finding(stores: Stores, finding: BatchFinding) -> BatchFinding:
    """The finding; where policy forbids its remedy, with one that accepts no row of the batch."""
    if finding.remedy not in _CHANGE_ROWS or not stores.forbids(finding.remedy, finding.cause):
        return finding
    quarantines = Remedy.QUARANTINE_BATCH in stores.remedies(finding.cause)
    remedy = Remedy.QUARANTINE_BATCH if quarantines else Remedy.ESCALATE
    summary = f"{finding.summary}; policy forbids {finding.remedy} for {finding.cause}"
    return replace(finding, remedy=remedy, summary=summary, rejects=True)


def _within_policy(stores: Stores, validated: ValidatedBatch) -> ValidatedBatch:
    """The batch; rejected because of the first finding whose remedy policy forbids."""
    for finding in validated.findings:
        allowed = allowed_finding(stores, finding)
        if allowed is not finding:
            return reject(validated, allowed)
    return validated
