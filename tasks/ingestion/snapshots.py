"""Back to the last good snapshot: the features that a bad batch changed become what they were before it.

The bad batch stays in its own table, where it can be looked at. Its days keep the old features, and one that had none
has none, until a correction of the batch, or of another that they look back to, arrives: then they are computed again.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from healing.errors import UsageError
from tasks.ingestion.sources import batch_id
from tasks.ingestion.stores import Stores
from tasks.lake.columns import FEATURES
from tasks.lake.merge_plan import NEW_TABLE
from tasks.ledger.records import BatchRecord, FeatureRecord

RESTORED = "features.restored"  # kind of the journal's entries


@dataclass(frozen=True, slots=True)
class Restored:
    """Features of the days from `since` to `until` are those of lake version `version` again; -1 had none."""

    version: int
    since: date
    until: date
    rows: int


def restore_features(stores: Stores, batch: str, *, by: str, why: str) -> Restored | None:
    """Take what a batch changed out of the features, in one commit; None when they never saw it.

    The caller holds the ingest's lock. Safe to repeat. UsageError when no such batch is on record.
    """
    record = stores.ledger.batch(stores.pipeline.name, batch)
    if record is None:
        example = f"{stores.pipeline.batch_table}/2013-03-01"
        raise UsageError(f"expected a batch on record, such as {example}, found {batch!r}")
    reach = timedelta(days=stores.pipeline.tables[record.table].context_days)
    since, until = record.day, record.day + reach
    good, is_back = _last_good_version(stores, record, since, until)
    if good is None:
        return None
    lake = stores.lake(FEATURES)
    if is_back:
        return Restored(good, since, until, lake.rows(since=since, until=until).num_rows)
    rows = lake.rows(since=since, until=until, version=None if good == NEW_TABLE else good)
    rows = rows.slice(0, 0) if good == NEW_TABLE else rows  # the first commit of features was made from it
    made = {day: each for day, each in stores.ledger.features(stores.pipeline.name).items() if since <= day <= until}
    notes = {
        batch_id(FEATURES, day): {"rows": each.rows, "inputs": each.inputs, "revision": each.inputs, "restored": good}
        for day, each in made.items()
    }
    version = lake.replace_days(rows, since, until, notes)
    stores.ledger.record_features(
        [FeatureRecord(each.pipeline, day, each.inputs, each.rows, version) for day, each in made.items()]
    )
    detail = {"version": good, "since": str(since), "until": str(until), "rows": rows.num_rows, "by": by, "why": why}
    stores.ledger.record_entry(stores.pipeline.name, RESTORED, batch, detail)
    return Restored(good, since, until, rows.num_rows)


def _last_good_version(stores: Stores, record: BatchRecord, since: date, until: date) -> tuple[int | None, bool]:
    """The version before the first commit of features that was made from the batch, and whether it is back already.

    None when no features were made from it.
    """
    days = {batch_id(FEATURES, since + timedelta(days=index)) for index in range((until - since).days + 1)}
    good: int | None = None
    is_back = False
    for version, notes in stores.lake(FEATURES).notes():
        drew = [note for day, note in notes.items() if day in days]
        restored = next((note["restored"] for note in drew if "restored" in note), None)
        made = [datetime.fromisoformat(note["made_at"]) for note in drew if "made_at" in note]
        if restored is not None:
            good, is_back = restored, True
        elif made and max(made) >= record.recorded_at and (good is None or is_back):
            good, is_back = version - 1, False
    return good, is_back
