"""Rebuild records of the ledger from the lake.

They are missing when a run died between its commit and its record, or when the ledger was lost. Each commit of the lake
holds a note per batch, from which the record is rebuilt.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tasks.ingestion.stores import Stores
from tasks.lake.columns import FEATURES
from tasks.ledger.records import BatchRecord, BatchStatus, FeatureRecord


def batch_note(record: BatchRecord) -> dict[str, Any]:
    """The note about a batch for the commit that holds its rows."""
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
        "revision": record.revision,
        "sha256": record.sha256,
    }


def repair_ledger(stores: Stores) -> list[BatchRecord]:
    """Record the batches and feature days that only the lake has; returns the batches.

    Only the commits after the newest that the ledger knows are read, so it is cheap when nothing is missing.
    """
    repaired = [record for table in stores.pipeline.tables for record in repair_table(stores, table)]
    _repair_features(stores)
    return repaired


def repair_table(stores: Stores, table: str) -> list[BatchRecord]:
    """Record the batches of one table that only the lake has, and return them."""
    name = stores.pipeline.name
    unread = stores.lake(table).notes(after=stores.ledger.lake_version(name, table))
    records = [_record(name, batch, version, note) for version, notes in unread for batch, note in notes.items()]
    if records:
        stores.ledger.record_batches(records)
    return records


def _record(pipeline: str, batch: str, version: int, note: Mapping[str, Any]) -> BatchRecord:
    """The record that `batch_note` was made from."""
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
        revision=note.get("revision", 1),
        sha256=note.get("sha256", ""),
    )


def _repair_features(stores: Stores) -> None:
    name = stores.pipeline.name
    known = max((record.lake_version for record in stores.ledger.features(name).values()), default=None)
    records: Sequence[FeatureRecord] = [
        FeatureRecord(name, date.fromisoformat(batch.partition("/")[2]), note.get("inputs", 0), note["rows"], version)
        for version, notes in stores.lake(FEATURES).notes(after=known)
        for batch, note in notes.items()
    ]
    if records:
        stores.ledger.record_features(records)
