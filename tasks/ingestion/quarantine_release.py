"""Letting in after all what a person vouches for: rows in quarantine go through the same commit as any others.

A person can overrule what was only improbable. A row without its key, of another type or of another day fits into no
table, and stays where it is. Who vouched and why is written beside the bytes before the commit, so that whoever asks
again after a crash finishes what was begun.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from healing.errors import UsageError
from tasks.config.contract_section import Contract, Repair
from tasks.config.pipeline import Pipeline
from tasks.config.table import Table
from tasks.ingestion.commit import commit_revisions
from tasks.ingestion.kept_batch import read_batch
from tasks.ingestion.quarantine import QuarantineNote, Vouched, read_note, read_original, set_aside, withdraw
from tasks.ingestion.repair_ledger import make_up_table
from tasks.ingestion.revision import revisions
from tasks.ingestion.sources import Batch
from tasks.ingestion.stores import Stores
from tasks.ingestion.validate import Examined, examine

RELEASED = "quarantine.released"  # kind of the journal's entries

# What a table is; everything else that it says are judgements, which a person may overrule.
_SHAPE = ("role", "path", "key", "event_time", "columns", "source_names", "formats", "missing", "required", "renames")


@dataclass(frozen=True, slots=True)
class Readmitted:
    """What became of the rows: `released` are in the lake now, `left` stay for `reasons` that nobody overrules."""

    batch_id: str
    released: int
    left: int
    reasons: Mapping[str, int]


def readmit(stores: Stores, batch_id: str, *, rows: Collection[int] | None, by: str, why: str) -> Readmitted:
    """Let rows of a batch in that wait in quarantine: those at these places of the original, or all.

    The caller holds the ingest's lock. Safe to repeat. UsageError when the batch or a row is not in quarantine.
    """
    note = read_note(stores.quarantine_root, batch_id)
    unknown = sorted(set(rows or ()) - set(note.rows))
    if unknown:
        raise UsageError(
            f"batch {batch_id}: expected rows that are in quarantine, found {unknown[:5]}; "
            f"`autopilot quarantine show` lists the {len(note.rows)} that are"
        )
    suffix, content = read_original(stores.quarantine_root, batch_id)
    vouched = Vouched(by=by, why=why, at=datetime.now(UTC), rows=tuple(sorted(note.rows if rows is None else rows)))
    if all(set(vouched.rows) - set(earlier.rows) for earlier in note.vouched):
        note = note.model_copy(update={"vouched": (*note.vouched, vouched)})
        set_aside(stores.quarantine_root, content, note, suffix)
    batch = read_batch(stores.pipeline, note, content, suffix)
    judged = _overruled(stores.pipeline, batch, {place for each in note.vouched for place in each.rows})
    make_up_table(stores, note.table)
    commit_revisions(stores, note.table, revisions(stores, [judged]))
    released = sorted(set(note.rows) - set(judged.bad))
    stores.ledger.record_entry(stores.pipeline.name, RELEASED, batch_id, {"rows": released, "by": by, "why": why})
    _keep_the_rest(stores, note, judged, content, suffix)
    return Readmitted(batch_id, len(released), len(judged.bad), judged.reasons)


def _overruled(pipeline: Pipeline, batch: Batch, vouched: Collection[int]) -> Examined:
    """The batch as the contract judges it, with the vouched rows among the good where they fit into the table."""
    [judged] = examine(pipeline, batch.table, [batch])
    [fitting] = examine(_unjudging(pipeline, batch.table), batch.table, [batch])
    places = [place for place in range(fitting.received) if place not in fitting.bad]  # of the rows of fitting.good
    taken = [index for index, place in enumerate(places) if place in judged.bad and place in vouched]
    left = {place: why for place, why in judged.bad.items() if place not in vouched}
    left |= {place: why for place, why in fitting.bad.items() if place in vouched}
    good = pa.concat_tables([judged.good, fitting.good.take(pa.array(taken, pa.int64()))])
    return replace(judged, good=good, bad=left, findings=(), rejected=None if taken else judged.rejected)


def _unjudging(pipeline: Pipeline, table: str) -> Pipeline:
    """The pipeline with only the shape of the table left: columns, types, values that a row cannot be without."""
    known = pipeline.tables[table]
    shape = Table(**{name: getattr(known, name) for name in _SHAPE})
    allowed = {**pipeline.contract.repairs, Repair.DROP_DUPLICATES: 1.0}  # the lake counts a row that comes again
    kept = {repair: share for repair, share in allowed.items() if repair in (Repair.RENAME, Repair.DROP_DUPLICATES)}
    contract = Contract(max_null_share=1, max_bad_share=1, max_duplicate_share=1, reject_share=1, repairs=kept)
    bare = pipeline.model_copy(update={"tables": {**pipeline.tables, table: shape}, "contract": contract})
    bare._folder = pipeline.folder
    return bare


def _keep_the_rest(stores: Stores, note: QuarantineNote, judged: Examined, content: bytes, suffix: str) -> None:
    if not judged.bad:
        withdraw(stores.quarantine_root, note.batch_id)
        return
    rest = {"rows": judged.bad, "quarantined": len(judged.bad), "reasons": judged.reasons}
    set_aside(stores.quarantine_root, content, note.model_copy(update=rest), suffix)
