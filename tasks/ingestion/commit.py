"""Taking batches in: fetched from the first source that gives them, examined, set aside or committed, and recorded.

The order makes a crash harmless. Bad rows go to quarantine, then good rows into the lake together with the fact that
the batch is in, then the record into the ledger. Whoever starts again finds a batch that is in the lake and not in the
ledger, and makes up the record from the note in the lake's commit.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import stamina

from healing.errors import Conflict
from healing.incident import Status
from tasks.ingestion.batch_notes import write_note
from tasks.ingestion.data_docs import BatchChecks
from tasks.ingestion.quarantine import QuarantineNote, Refusal, keep_refused, set_aside, withdraw
from tasks.ingestion.repair_ledger import make_up_table
from tasks.ingestion.revision import Revision, revisions
from tasks.ingestion.source_failover import best, fetch
from tasks.ingestion.sources import SourceChain
from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import Examined, examine
from tasks.ingestion.validation.batch_history import read_past
from tasks.lake.merge_plan import MergePlan
from tasks.ledger.immediate_remedy import immediate_remedy
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.runtime import crash_points as points
from tasks.runtime.events import EventName

_RACES_MAX = 5  # lost races for one commit; only a second ingest of the same days makes any


def take_in(stores: Stores, chain: SourceChain, table: str, days: Sequence[date]) -> list[BatchRecord]:
    """Bring the batches of `days` into one table; returns the records of those that were new or corrected.

    Incidents that the batches cause are opened, remedied as the contract says and closed here. SourceUnavailable when
    no source gives a batch; everything that was committed before stays, and the next run goes on from there.
    """
    with ExitStack() as remedies:
        batches = fetch(stores, chain, table, days, remedies)
        if not batches:
            return []
        points.reached("ingest.fetched", table=table)
        past = read_past(stores.lake(table), stores.pipeline.tables[table], days)
        found = [best(stores, chain, judged, past) for judged in examine(stores.pipeline, table, batches, past)]
        stores.examined.extend(map(BatchChecks.of, found))
        points.reached("ingest.examined", table=table)
        for revision in revisions(stores, found):
            _open_incidents(stores, revision.judged, remedies)
        points.reached("ingest.opened", table=table)
        records = commit_batches(stores, table, found)
    points.reached("ingest.settled", table=table)
    return records


def commit_batches(stores: Stores, table: str, found: Sequence[Examined]) -> list[BatchRecord]:
    """Set bad rows aside, commit the good ones, and record where each went; what is in as it is stays so.

    All good rows go in one commit. After a race that somebody else won, what they brought in is known.
    """
    records: list[BatchRecord] = []
    for attempt in stamina.retry_context(on=Conflict, attempts=_RACES_MAX, timeout=30, wait_initial=0.02, wait_max=0.5):
        with attempt:
            make_up_table(stores, table)
            news = revisions(stores, found)
            for revision in news:
                _quarantine(stores, revision)
            points.reached("ingest.quarantined", table=table)
            records = commit_revisions(stores, table, [revision for revision in news if not revision.refused])
    return records


def commit_revisions(stores: Stores, table: str, news: Sequence[Revision]) -> list[BatchRecord]:
    """Commit the good rows of all in one commit, and record where each row went. Conflict when another was first."""
    records = _commit(stores, table, news)
    points.reached("ingest.committed", table=table)
    stores.ledger.record_batches(records)
    points.reached("ingest.recorded", table=table)
    _announce(stores, table, records)
    return records


def _open_incidents(stores: Stores, judged: Examined, remedies: ExitStack) -> None:
    """An incident for each finding; of a batch that is rejected a person has to hear."""
    ends = Status.RECOVERED if judged.rejected is None else Status.ESCALATED
    for finding in judged.findings:
        evidence = stores.evidence(finding, judged.batch.id)
        incident = remedies.enter_context(
            immediate_remedy(stores.ledger, evidence, finding.remedy, stores.run_id, ends)
        )
        if ends is Status.ESCALATED:
            remedies.callback(
                stores.call_person, incident, f"batch {judged.batch.id} is in quarantine: {judged.rejected}"
            )


def _quarantine(stores: Stores, revision: Revision) -> None:
    """Keep what may not go in. A correction without bad rows ends the quarantine of what it corrects."""
    judged, batch = revision.judged, revision.judged.batch
    if revision.refused:
        refusal = Refusal(
            batch_id=batch.id,
            table=batch.table,
            day=batch.day,
            source=batch.source,
            error="ContractBroken",
            reason=judged.rejected or "",
        )
        keep_refused(stores.quarantine_root, batch.content, batch.suffix, refusal)
    elif judged.bad:
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
    elif revision.known is not None and revision.known.quarantined:
        withdraw(stores.quarantine_root, batch.id)


def _commit(stores: Stores, table: str, news: Sequence[Revision]) -> list[BatchRecord]:
    if not news:
        return []
    lake = stores.lake(table)
    plan = lake.plan_merge(pa.concat_tables([revision.judged.good for revision in news]))
    records = [_record(stores.pipeline.name, revision, plan) for revision in news]
    version = lake.commit(plan, {record.batch_id: write_note(record) for record in records})
    return [replace(record, lake_version=version) for record in records]


def _record(pipeline: str, revision: Revision, plan: MergePlan) -> BatchRecord:
    """The account of one batch. Its constructor refuses an account that loses or makes up a row.

    A row that the lake has already is a duplicate, unless an earlier revision of the same batch brought it.
    """
    judged, batch = revision.judged, revision.judged.batch
    known = plan.duplicates.get(batch.day, 0)
    known += plan.unchanged.get(batch.day, 0) if revision.number == 1 else 0
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
        revision=revision.number,
        sha256=revision.sha256,
    )


def _status(judged: Examined) -> BatchStatus:
    if judged.rejected is not None:
        return BatchStatus.REJECTED
    if judged.bad:
        return BatchStatus.QUARANTINED
    return BatchStatus.REPAIRED if judged.repairs else BatchStatus.ACCEPTED


_EVENTS: Mapping[BatchStatus, EventName] = {
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
            payload = {"subject": record.batch_id, **write_note(record)}
            stores.emit(_EVENTS[record.status], stores.pipeline.name, payload)
