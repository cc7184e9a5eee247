"""What the lake's commits say of batches: enough to make up the ledger's records for, after a crash or a loss."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from tasks.ledger.records import BatchRecord, BatchStatus


def write_note(record: BatchRecord) -> dict[str, Any]:
    """The note on a batch."""
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


def read_note(pipeline: str, batch: str, version: int, note: Mapping[str, Any]) -> BatchRecord:
    """The record that `write_note` was made from."""
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
