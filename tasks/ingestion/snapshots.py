"""Restore the last good snapshot: the features that a bad batch changed become what they were before it.

The bad batch stays in its own table, where it can be inspected. The features of its days stay as restored, or absent if
there were none, until a correction arrives of this batch or of another that they depend on. Then they are computed
again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from healing.errors import UsageError
from tasks.ingestion.sources import batch_id
from tasks.ingestion.stores import Stores
from tasks.lake.columns import FEATURES
from tasks.lake.lake_table import Notes
from tasks.lake.merge_plan import NEW_TABLE
from tasks.ledger.records import BatchRecord, FeatureRecord
from tasks.runtime import crash_points as points

RESTORED = "features.restored"  # kind of the journal's entries


@dataclass(frozen=True, slots=True)
class RestoredSnapshot:
    """Features of the days [since, until] are those of lake version `version` again; -1 if there were none."""

    version: int
    since: date
    until: date
    rows: int


def restore_features(stores: Stores, batch: str, *, by: str, why: str) -> RestoredSnapshot | None:
    """Undo what a batch changed in the features, in one commit; None when no features were computed from it.

    The caller holds the lock of ingestion. Safe to repeat. UsageError when no such batch is on record.
    """
    record = stores.ledger.batch(stores.pipeline.name, batch)
    if record is None:
        example = f"{stores.pipeline.batch_table}/2013-03-01"
        raise UsageError(f"expected a batch on record, such as {example}, found {batch!r}")
    until = record.day + timedelta(days=stores.pipeline.tables[record.table].context_days)
    version, commit = _last_good_version(stores, record, until)
    if version is None:
        return None
    if commit is None:
        commit = _restore(stores, version, record.day, until)
        points.reached("restore_snapshot.committed", version=version)
    rows = stores.lake(FEATURES).rows(since=record.day, until=until).num_rows
    restored = RestoredSnapshot(version, record.day, until, rows)
    _record(stores, batch, restored, commit, {"by": by, "why": why})
    return restored


def is_restored(stores: Stores, batch: str) -> bool:
    """Whether the features that the batch changed are those from before it, as the lake has them now."""
    record = stores.ledger.batch(stores.pipeline.name, batch)
    if record is None:
        return False
    until = record.day + timedelta(days=stores.pipeline.tables[record.table].context_days)
    return _last_good_version(stores, record, until)[1] is not None


def _restore(stores: Stores, version: int, since: date, until: date) -> int:
    """Replace the features of [since, until] by those of `version`; returns the version of that commit."""
    lake = stores.lake(FEATURES)
    rows = lake.rows(since=since, until=until, version=None if version == NEW_TABLE else version)
    rows = rows.slice(0, 0) if version == NEW_TABLE else rows  # the bad batch was in the first commit of features
    notes: Notes = {
        batch_id(FEATURES, each.day): {
            "rows": each.rows,
            "inputs": each.inputs,
            "revision": each.inputs,
            "restored": version,
        }
        for each in _feature_days(stores, since, until)
    }
    return lake.replace_days(rows, since, until, notes)


def _record(stores: Stores, batch: str, restored: RestoredSnapshot, commit: int, reason: Mapping[str, object]) -> None:
    """Record the commit as the source of the features, once: a process may have been killed after the commit."""
    name, since, until = stores.pipeline.name, restored.since, restored.until
    earlier = [entry for entry in stores.ledger.entries(name, RESTORED) if entry.subject == batch]
    if any(entry.detail.get("commit") == commit for entry in earlier):
        return
    days = _feature_days(stores, since, until)
    stores.ledger.record_features([FeatureRecord(name, each.day, each.inputs, each.rows, commit) for each in days])
    detail = {"version": restored.version, "since": str(since), "until": str(until), "rows": restored.rows}
    stores.ledger.record_entry(name, RESTORED, batch, {**detail, "commit": commit, **reason})


def _feature_days(stores: Stores, since: date, until: date) -> list[FeatureRecord]:
    """The records of the days that have features."""
    return [record for day, record in stores.ledger.features(stores.pipeline.name).items() if since <= day <= until]


def _last_good_version(stores: Stores, record: BatchRecord, until: date) -> tuple[int | None, int | None]:
    """The version before the first features that were computed from the batch, and the commit that restored it, if any.

    None when no features were computed from the batch.
    """
    span = range((until - record.day).days + 1)
    days = {batch_id(FEATURES, record.day + timedelta(days=index)) for index in span}
    good: int | None = None
    commit: int | None = None
    for version, notes in stores.lake(FEATURES).notes():
        touched = [note for day, note in notes.items() if day in days]
        restored = next((note["restored"] for note in touched if "restored" in note), None)
        computed = [datetime.fromisoformat(note["made_at"]) for note in touched if "made_at" in note]
        if restored is not None:
            good, commit = restored, version
        elif computed and max(computed) >= record.recorded_at and (good is None or commit is not None):
            good, commit = version - 1, None
    return good, commit
