"""Taking batches in: fetched from the first source that gives them, examined, set aside or committed, and recorded.

The order makes a crash harmless. Bad rows go to quarantine, then good rows into the lake together with the fact that
the batch is in, then the record into the ledger. Whoever starts again finds a batch that is in the lake and not in the
ledger, and makes up the record from the note in the lake's commit.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import stamina

from healing.errors import Conflict
from healing.incident import Status
from tasks import points
from tasks.contract import BATCH_DAY
from tasks.events import EventName
from tasks.incidents import remedied
from tasks.intake import Examined, examine
from tasks.lake import LakeTable
from tasks.ledger_records import BatchRecord, BatchStatus
from tasks.quarantine import QuarantineNote, set_aside
from tasks.sources import SourceChain, batch_id
from tasks.stores import Stores
from tasks.switching import best, fetch

_RACES_MAX = 5  # lost races for one commit; only a second ingest of the same days makes any


def take_in(stores: Stores, chain: SourceChain, table: str, days: Sequence[date]) -> list[BatchRecord]:
    """Bring the batches of `days` into one table; returns their records.

    Incidents that the batches cause are opened, remedied as the contract says and closed here. SourceUnavailable when
    no source gives a batch; everything that was committed before stays, and the next run goes on from there.
    """
    with ExitStack() as remedies:
        batches = fetch(stores, chain, table, days, remedies)
        if not batches:
            return []
        points.reached("ingest.fetched", table=table)
        found = [best(stores, chain, judged) for judged in examine(stores.pipeline, table, batches)]
        for judged in found:
            _open_incidents(stores, judged, remedies)
        for judged in found:
            _quarantine(stores, judged)
        points.reached("ingest.quarantined", table=table)
        records = _commit(stores, table, found)
        points.reached("ingest.committed", table=table)
        for record in records:
            stores.ledger.record_batch(record)
        points.reached("ingest.recorded", table=table)
    _announce(stores, table, records)
    return records


def make_up_records(stores: Stores, table: str, days: Sequence[date]) -> list[BatchRecord]:
    """Write the ledger's records of those `days` that are in the lake already; returns them.

    They are missing when a run died between the commit and the ledger.
    """
    lake = stores.lake(table)
    ids = [batch_id(table, day) for day in days]
    records = []
    for batch, is_in in zip(ids, lake.has(ids), strict=True):
        note = lake.note(batch) if is_in else None
        if note is not None:
            version, fields = note
            records.append(_read_note(stores.pipeline.name, batch, version, fields))
            stores.ledger.record_batch(records[-1])
    return records


def _open_incidents(stores: Stores, judged: Examined, remedies: ExitStack) -> None:
    """An incident for each finding; of a batch that is rejected a person has to hear."""
    ends = Status.RECOVERED if judged.rejected is None else Status.ESCALATED
    for finding in judged.findings:
        evidence = stores.evidence(finding, judged.batch.id)
        incident = remedies.enter_context(remedied(stores.ledger, evidence, finding.remedy, stores.run_id, ends))
        if ends is Status.ESCALATED:
            remedies.callback(
                stores.call_person, incident, f"batch {judged.batch.id} is in quarantine: {judged.rejected}"
            )


def _quarantine(stores: Stores, judged: Examined) -> None:
    if not judged.bad:
        return
    batch = judged.batch
    note = QuarantineNote(
        batch_id=batch.id,
        table=batch.table,
        day=batch.day,
        source=batch.source,
        received=judged.received,
        quarantined=len(judged.bad),
        reasons=judged.reasons,
        rows=judged.bad,
    )
    set_aside(stores.quarantine_root, batch.content, note, batch.suffix)


def _commit(stores: Stores, table: str, found: Sequence[Examined]) -> list[BatchRecord]:
    """Commit all good rows at once; a race that somebody else won is looked at again."""
    lake = stores.lake(table)
    for attempt in stamina.retry_context(on=Conflict, attempts=_RACES_MAX, timeout=30, wait_initial=0.02, wait_max=0.5):
        with attempt:
            is_in = lake.has([judged.batch.id for judged in found])
            already = [judged.batch.day for judged, known in zip(found, is_in, strict=True) if known]
            fresh = [judged for judged, known in zip(found, is_in, strict=True) if not known]
            return [*make_up_records(stores, table, already), *_commit_fresh(stores, lake, fresh)]
    raise AssertionError("unreachable: stamina returns or raises")  # pragma: no cover


def _commit_fresh(stores: Stores, lake: LakeTable, fresh: Sequence[Examined]) -> list[BatchRecord]:
    if not fresh:
        return []
    novelty = lake.compare(pa.concat_tables([judged.good for judged in fresh]), BATCH_DAY)
    records = [_record(stores.pipeline.name, judged, novelty.duplicates) for judged in fresh]
    version = lake.commit(novelty, {record.batch_id: _write_note(record) for record in records})
    return [replace(record, lake_version=version) for record in records]


def _record(pipeline: str, judged: Examined, duplicates: Mapping[date, int]) -> BatchRecord:
    """The account of one batch. Its constructor refuses an account that loses or makes up a row."""
    batch = judged.batch
    known = duplicates.get(batch.day, 0)
    return BatchRecord(
        pipeline=pipeline,
        batch_id=batch.id,
        table=batch.table,
        day=batch.day,
        source=batch.source,
        received=judged.received,
        accepted=judged.good.num_rows - known,
        quarantined=len(judged.bad),
        duplicates=known,
        status=_status(judged),
        recorded_at=datetime.now(UTC),
        repairs=judged.repairs,
    )


def _status(judged: Examined) -> BatchStatus:
    if judged.rejected is not None:
        return BatchStatus.REJECTED
    if judged.bad:
        return BatchStatus.QUARANTINED
    return BatchStatus.REPAIRED if judged.repairs else BatchStatus.ACCEPTED


def _write_note(record: BatchRecord) -> dict[str, Any]:
    """What the lake's commit says of a batch."""
    return {
        "table": record.table,
        "day": record.day.isoformat(),
        "source": record.source,
        "received": record.received,
        "accepted": record.accepted,
        "quarantined": record.quarantined,
        "duplicates": record.duplicates,
        "status": record.status.value,
        "recorded_at": record.recorded_at.isoformat(),
        "repairs": list(record.repairs),
    }


def _read_note(pipeline: str, batch: str, version: int, note: Mapping[str, Any]) -> BatchRecord:
    """The record that `_write_note` was made from."""
    return BatchRecord(
        pipeline=pipeline,
        batch_id=batch,
        table=note["table"],
        day=date.fromisoformat(note["day"]),
        source=note["source"],
        received=note["received"],
        accepted=note["accepted"],
        quarantined=note["quarantined"],
        duplicates=note["duplicates"],
        status=BatchStatus(note["status"]),
        recorded_at=datetime.fromisoformat(note["recorded_at"]),
        lake_version=version,
        repairs=tuple(note["repairs"]),
    )


_EVENTS = {
    BatchStatus.REPAIRED: EventName.BATCH_REPAIRED,
    BatchStatus.QUARANTINED: EventName.BATCH_QUARANTINED,
    BatchStatus.REJECTED: EventName.BATCH_REJECTED,
}


def _announce(stores: Stores, table: str, records: Sequence[BatchRecord]) -> None:
    """One event for all plain batches of a commit, and one for each that was not plain."""
    plain = [record.batch_id for record in records if record.status is BatchStatus.ACCEPTED]
    if plain:
        stores.emit(EventName.BATCH_ACCEPTED, stores.pipeline.name, {"subject": table, "batches": plain})
    for record in records:
        if record.status in _EVENTS:
            payload = {"subject": record.batch_id, **_write_note(record)}
            stores.emit(_EVENTS[record.status], stores.pipeline.name, payload)
