"""Ingest days of one table: fetch from the first source that answers, validate, open incidents, and commit."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date

from tasks.ingestion.alternative_batch import best_batch
from tasks.ingestion.batch_incidents import open_incidents
from tasks.ingestion.batch_policy import validate_within_policy
from tasks.ingestion.commit import commit_batches, new_revisions
from tasks.ingestion.data_docs import BatchSummary
from tasks.ingestion.source_failover import fetch_batches
from tasks.ingestion.sources import Batch, SourceChain
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.batch_history import read_history
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tasks.ledger.records import BatchRecord
from tasks.runtime import crash_points as points


def ingest_table(stores: Stores, chain: SourceChain, table: str, days: Sequence[date]) -> list[BatchRecord]:
    """Bring the batches of `days` into one table; returns the records of those that were new or corrected.

    Safe to repeat. Incidents that the batches cause are opened, treated and ended here. SourceUnavailable when no
    source has a batch; everything that was committed before stays, and the next run continues from there.
    """
    with ExitStack() as remedies:
        received = fetch_batches(stores, chain, table, days, remedies)
        if not received:
            return []
        points.reached("ingest.fetched", table=table)
        batches = _validate(stores, chain, table, received, days)
        points.reached("ingest.validated", table=table)
        for batch in new_revisions(stores, batches):
            open_incidents(stores, batch, remedies)
        points.reached("ingest.opened", table=table)
        records = commit_batches(stores, table, batches)
    points.reached("ingest.settled", table=table)
    return records


def _validate(
    stores: Stores, chain: SourceChain, table: str, received: Sequence[Batch], days: Sequence[date]
) -> list[ValidatedBatch]:
    """The received batches, validated, each replaced where another source has a better one."""
    pipeline = stores.pipeline
    history = read_history(stores.lake(table), pipeline.tables[table], pipeline.contract, days)
    validated = validate_within_policy(stores, table, received, history)
    batches = [best_batch(stores, chain, each, history) for each in validated]
    stores.summaries.extend(map(BatchSummary.of, batches))
    return batches
