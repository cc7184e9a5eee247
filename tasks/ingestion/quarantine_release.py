"""Release rows from quarantine by a person's decision, through the commit that any batch takes.

A person can overrule a check that found a row improbable. A row without its key, of another type or of another day fits
into no table, and stays in quarantine. The decision is stored beside the original bytes before the commit, so that the
same command finishes a release that died.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from healing.errors import UsageError
from tasks.config.contract_section import Contract, Repair
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.config.table import Table
from tasks.ingestion.commit import commit_rows, lake_version, new_revisions
from tasks.ingestion.features import update_features
from tasks.ingestion.quarantine import QuarantineNote, RowRelease, end_quarantine, keep_rows, read_note, read_original
from tasks.ingestion.repair_ledger import repair_table
from tasks.ingestion.sources import Batch
from tasks.ingestion.stores import Stores, open_stores
from tasks.ingestion.validate import validate_batches
from tasks.ingestion.validation.validated_batch import ValidatedBatch

CHUNK_DAYS = 31  # of features computed at once
RELEASED = "quarantine.released"  # kind of the journal's entries

# The settings that say what a row of the table is. All others are checks, which a person may overrule.
_SHAPE = ("role", "path", "key", "event_time", "columns", "source_names", "formats", "missing", "required", "renames")


class QuarantineRelease(BaseModel):
    """What a release did: `released` rows are in the lake now, `left` rows fit into no table, for these `reasons`."""

    model_config = ConfigDict(frozen=True)

    batch: str
    released: int
    left: int
    reasons: dict[str, int]
    feature_rows: int


def release_from_quarantine(
    pipeline: Pipeline, settings: Settings, batch_id: str, *, by: str, why: str, rows: Collection[int] | None = None
) -> QuarantineRelease:
    """Accept rows of a batch in quarantine: those at the positions `rows`, or all of them. Safe to repeat.

    UsageError when the batch or a row is not in quarantine, or when `why` is empty. Works while Prefect is down.
    """
    if not why.strip():
        raise UsageError("expected the reason of the release, found none; give it with --why")
    with open_stores(pipeline, settings) as stores:
        note = read_note(stores.quarantine_root, batch_id)
        validated = release_rows(stores, note, rows=rows, by=by, why=why)
        computed = update_features(stores, CHUNK_DAYS)
    return QuarantineRelease(
        batch=batch_id,
        released=len(set(note.rows) - set(validated.bad)),
        left=len(validated.bad),
        reasons=validated.reasons,
        feature_rows=computed,
    )


def release_rows(
    stores: Stores, note: QuarantineNote, *, rows: Collection[int] | None, by: str, why: str
) -> ValidatedBatch:
    """Record the decision, commit the rows that fit into the table, and keep the others in quarantine."""
    _check_rows(note, rows)
    batch = read_original(stores.pipeline, stores.quarantine_root, note)
    release = RowRelease(by=by, why=why, at=datetime.now(UTC), rows=tuple(sorted(note.rows if rows is None else rows)))
    note = _record_release(stores, batch, note, release)
    validated = _overrule(stores.pipeline, batch, {row for each in note.releases for row in each.rows})
    seen = lake_version(stores, note.table)
    repair_table(stores, note.table)
    commit_rows(stores, note.table, new_revisions(stores, [validated]), seen)
    released = sorted(set(note.rows) - set(validated.bad))
    detail = {"rows": released, "by": by, "why": why}
    stores.ledger.record_entry(stores.pipeline.name, RELEASED, note.batch_id, detail)
    _keep_the_rest(stores, note, validated)
    return validated


def _check_rows(note: QuarantineNote, rows: Collection[int] | None) -> None:
    unknown = sorted(set(rows or ()) - set(note.rows))
    if unknown:
        raise UsageError(
            f"batch {note.batch_id}: expected rows that are in quarantine, found {unknown[:5]}; "
            f"`autopilot quarantine show` lists the {len(note.rows)} that are"
        )


def _record_release(stores: Stores, batch: Batch, note: QuarantineNote, release: RowRelease) -> QuarantineNote:
    """The note with this decision, which is stored unless an earlier one covers all its rows."""
    if any(set(release.rows) <= set(earlier.rows) for earlier in note.releases):
        return note
    note = note.model_copy(update={"releases": (*note.releases, release)})
    keep_rows(stores.quarantine_root, batch, note)
    return note


def _overrule(pipeline: Pipeline, batch: Batch, released: Collection[int]) -> ValidatedBatch:
    """The validated batch, with the released rows among the good ones where they fit into the table."""
    [validated] = validate_batches(pipeline, batch.table, [batch])
    [fitting] = validate_batches(_without_checks(pipeline, batch.table), batch.table, [batch])
    positions = [row for row in range(fitting.received) if row not in fitting.bad]  # of the rows of fitting.good
    taken = [index for index, row in enumerate(positions) if row in validated.bad and row in released]
    left = {row: reason for row, reason in validated.bad.items() if row not in released}
    left |= {row: reason for row, reason in fitting.bad.items() if row in released}
    good = pa.concat_tables([validated.good, fitting.good.take(pa.array(taken, pa.int64()))])
    rejected = None if taken else validated.rejected
    return replace(validated, good=good, bad=left, findings=(), rejected=rejected)


def _without_checks(pipeline: Pipeline, table: str) -> Pipeline:
    """The pipeline with only the shape of the table: columns, types, and values that a row must have."""
    known = pipeline.tables[table]
    shape = Table(**{name: getattr(known, name) for name in _SHAPE})
    allowed = {**pipeline.contract.repairs, Repair.DROP_DUPLICATES: 1.0}  # the lake counts repeated rows
    kept = {repair: share for repair, share in allowed.items() if repair in (Repair.RENAME, Repair.DROP_DUPLICATES)}
    contract = Contract(max_null_share=1, max_bad_share=1, max_duplicate_share=1, reject_share=1, repairs=kept)
    bare = pipeline.model_copy(update={"tables": {**pipeline.tables, table: shape}, "contract": contract})
    bare._folder = pipeline.folder
    return bare


def _keep_the_rest(stores: Stores, note: QuarantineNote, validated: ValidatedBatch) -> None:
    if not validated.bad:
        end_quarantine(stores.quarantine_root, note.batch_id)
        return
    rest = {"rows": validated.bad, "quarantined": len(validated.bad), "reasons": validated.reasons}
    keep_rows(stores.quarantine_root, validated.batch, note.model_copy(update=rest))
