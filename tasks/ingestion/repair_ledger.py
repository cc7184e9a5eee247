"""What the lake has and the ledger lacks: a run died between the two, or the ledger was lost. It is made up."""

from collections.abc import Sequence
from datetime import date

from tasks.ingestion.batch_notes import read_note
from tasks.ingestion.stores import Stores
from tasks.lake.columns import FEATURES
from tasks.ledger.records import BatchRecord, FeatureRecord


def make_up_records(stores: Stores) -> list[BatchRecord]:
    """Write the ledger's records of batches and features that only the lake has; returns those of batches.

    Only the commits after the newest that the ledger knows are read, so it costs little where nothing is missing.
    """
    made_up = [record for table in stores.pipeline.tables for record in make_up_table(stores, table)]
    _make_up_features(stores)
    return made_up


def make_up_table(stores: Stores, table: str) -> list[BatchRecord]:
    """The same for the batches of one table."""
    name = stores.pipeline.name
    unread = stores.lake(table).notes(after=stores.ledger.lake_version(name, table))
    records = [read_note(name, batch, version, note) for version, notes in unread for batch, note in notes.items()]
    if records:
        stores.ledger.record_batches(records)
    return records


def _make_up_features(stores: Stores) -> None:
    name = stores.pipeline.name
    known = max((record.lake_version for record in stores.ledger.features(name).values()), default=None)
    records: Sequence[FeatureRecord] = [
        FeatureRecord(name, date.fromisoformat(batch.partition("/")[2]), note.get("inputs", 0), note["rows"], version)
        for version, notes in stores.lake(FEATURES).notes(after=known)
        for batch, note in notes.items()
    ]
    if records:
        stores.ledger.record_features(records)
