"""Commit validated batches: quarantine bad rows, write good rows to the lake, and record where each row went.

The order makes a crash harmless. Bad rows go to quarantine first, then good rows to the lake together with a note per
batch, then the record to the ledger. If a run dies in between, the next one finds a batch that is in the lake and not
in the ledger, and rebuilds the record from the note.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import stamina

from healing.errors import Conflict
from tasks.ingestion.quarantine import QuarantineNote, end_quarantine, keep_refused_batch, keep_rows
from tasks.ingestion.repair_ledger import batch_note, repair_table
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tasks.lake.merge_plan import NEW_TABLE, MergePlan
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.runtime import crash_points as points
from tasks.runtime.events import EventName

_ATTEMPTS_MAX = 5  # of one commit; only a second ingest of the same table makes one fail


def commit_batches(stores: Stores, table: str, batches: Sequence[ValidatedBatch]) -> list[BatchRecord]:
    """Quarantine bad rows, commit good rows, and record where each went; returns the records of what is new.

    All good rows are one commit. When another writer was first, everything is compared again with what it committed:
    also when it committed between the comparison with the ledger and that with the lake.
    """
    records: list[BatchRecord] = []
    for attempt in stamina.retry_context(
        on=Conflict, attempts=_ATTEMPTS_MAX, timeout=30, wait_initial=0.02, wait_max=0.5
    ):
        with attempt:
            seen = lake_version(stores, table)
            repair_table(stores, table)
            new = new_revisions(stores, batches)
            for batch in new:
                _quarantine(stores, batch)
            points.reached("ingest.quarantined", table=table)
            records = commit_rows(stores, table, [batch for batch in new if not batch.is_refused_correction], seen)
    return records


def new_revisions(stores: Stores, batches: Sequence[ValidatedBatch]) -> list[ValidatedBatch]:
    """Those of the batches that may change anything, each with the ledger's present record of it."""
    known = stores.ledger.batches_by_id(stores.pipeline.name, [each.batch.id for each in batches])
    compared = [replace(each, previous=known.get(each.batch.id)) for each in batches]
    return [each for each in compared if each.is_new]


def lake_version(stores: Stores, table: str) -> int:
    """The version of the lake's table now, before the ledger is read: what is committed later is no part of it."""
    version = stores.lake(table).version()
    return NEW_TABLE if version is None else version


def commit_rows(stores: Stores, table: str, batches: Sequence[ValidatedBatch], seen: int) -> list[BatchRecord]:
    """Commit the good rows of all batches at once, and record where each row went.

    Conflict when another writer has committed since version `seen`, with which the ledger agreed.
    """
    records = _commit(stores, table, batches, seen)
    points.reached("ingest.committed", table=table)
    stores.ledger.record_batches(records)
    points.reached("ingest.recorded", table=table)
    _emit_events(stores, table, records)
    return records


def _quarantine(stores: Stores, validated: ValidatedBatch) -> None:
    """Keep what was not accepted. A correction without bad rows ends the quarantine of the batch."""
    batch = validated.batch
    if validated.is_refused_correction:
        keep_refused_batch(stores.quarantine_root, batch, validated.rejected or "")
    elif validated.bad:
        note = QuarantineNote(
            batch_id=batch.id,
            table=batch.table,
            day=batch.day,
            source=batch.source,
            received=validated.received,
            quarantined=len(validated.bad),
            reasons=validated.reasons,
            rows=validated.bad,
        )
        keep_rows(stores.quarantine_root, batch, note)
    elif validated.previous is not None and validated.previous.quarantined:
        end_quarantine(stores.quarantine_root, batch.id)


def _commit(stores: Stores, table: str, batches: Sequence[ValidatedBatch], seen: int) -> list[BatchRecord]:
    if not batches:
        return []
    lake = stores.lake(table)
    plan = lake.plan_merge(pa.concat_tables([each.good for each in batches]))
    if plan.version != seen:  # the same batches may be in it, and would count as duplicates
        raise Conflict(f"table {table}: expected version {seen}, found {plan.version}; compare again")
    records = [_record(stores.pipeline.name, each, plan) for each in batches]
    version = lake.commit(plan, {record.batch_id: batch_note(record) for record in records})
    return [replace(record, lake_version=version) for record in records]


def _record(pipeline: str, validated: ValidatedBatch, plan: MergePlan) -> BatchRecord:
    """The ledger's record of one batch, which is refused unless it accounts for every row.

    A row that the lake has already is a duplicate, unless an earlier revision of the same batch brought it.
    """
    batch = validated.batch
    duplicates = plan.duplicates.get(batch.day, 0)
    duplicates += plan.unchanged.get(batch.day, 0) if validated.revision == 1 else 0
    return BatchRecord(
        pipeline=pipeline,
        batch_id=batch.id,
        table=batch.table,
        day=batch.day,
        source=batch.source,
        received=validated.received,
        accepted=validated.good.num_rows - duplicates,
        quarantined=len(validated.bad),
        duplicates=duplicates,
        status=validated.status,
        recorded_at=datetime.now(UTC),
        repairs=validated.repairs,
        revision=validated.revision,
        sha256=validated.sha256,
    )


_EVENTS: Mapping[BatchStatus, EventName] = {
    BatchStatus.REPAIRED: EventName.BATCH_REPAIRED,
    BatchStatus.QUARANTINED: EventName.BATCH_QUARANTINED,
    BatchStatus.REJECTED: EventName.BATCH_REJECTED,
}


def _emit_events(stores: Stores, table: str, records: Sequence[BatchRecord]) -> None:
    """One event for all batches of a commit that were accepted as they came, and one for each other batch."""
    accepted = [record.batch_id for record in records if record.status is BatchStatus.ACCEPTED]
    if accepted:
        stores.emit(EventName.BATCH_ACCEPTED, stores.pipeline.name, {"subject": table, "batches": accepted})
    for record in records:
        if record.status in _EVENTS:
            payload = {"subject": record.batch_id, **batch_note(record)}
            stores.emit(_EVENTS[record.status], stores.pipeline.name, payload)
