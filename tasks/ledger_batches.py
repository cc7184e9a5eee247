"""Which batches came in and where their rows went, and of which days there are features."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date

import sqlalchemy as sa

from tasks import ledger_schema as schema
from tasks.ledger_book import Book
from tasks.ledger_database import snapshot, transaction
from tasks.ledger_records import BatchRecord, FeatureRecord
from tasks.ledger_rows import batch_record

_SHOWN = ("received", "accepted", "quarantined", "duplicates", "status", "source", "revision")


class Batches(Book):
    """The part of the ledger that is about batches."""

    def record_batch(self, record: BatchRecord) -> None:
        """Remember a batch; the same batch id again (a repeated ingest) replaces what was there."""
        self.record_batches([record])

    def record_batches(self, records: Sequence[BatchRecord]) -> None:
        """Remember all of them or none."""
        with transaction(self._engine) as connection:
            for record in records:
                self._record(connection, record)

    def _record(self, connection: sa.Connection, record: BatchRecord) -> None:
        row = {
            "pipeline": record.pipeline,
            "batch_id": record.batch_id,
            "table": record.table,
            "day": record.day,
            "source": record.source,
            "received": record.received,
            "accepted": record.accepted,
            "quarantined": record.quarantined,
            "duplicates": record.duplicates,
            "status": record.status.value,
            "lake_version": record.lake_version,
            "repairs": list(record.repairs),
            "recorded_at": record.recorded_at,
            "revision": record.revision,
            "sha256": record.sha256,
        }
        shown = {key: row[key] for key in _SHOWN}
        connection.execute(schema.batches.delete().where(_is_batch(record.pipeline, record.batch_id)))
        connection.execute(schema.batches.insert().values(row))
        self._write(connection, record.pipeline, "batch.recorded", record.batch_id, shown)

    def batches(self, pipeline: str, table: str | None = None) -> list[BatchRecord]:
        """Every batch of the pipeline, or of one of its tables, in the order of recording."""
        query = schema.batches.select().where(schema.batches.c.pipeline == pipeline)
        if table is not None:
            query = query.where(schema.batches.c.table == table)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(schema.batches.c.recorded_at, schema.batches.c.batch_id))
            return [batch_record(row) for row in rows.mappings()]

    def batch(self, pipeline: str, batch_id: str) -> BatchRecord | None:
        with snapshot(self._engine) as connection:
            rows = connection.execute(schema.batches.select().where(_is_batch(pipeline, batch_id)))
            row = rows.mappings().first()
            return None if row is None else batch_record(row)

    def lake_version(self, pipeline: str, table: str) -> int | None:
        """The newest version of a lake table that the ledger knows a batch of; None when it knows none."""
        newest = sa.select(sa.func.max(schema.batches.c.lake_version))
        query = newest.where(schema.batches.c.pipeline == pipeline, schema.batches.c.table == table)
        with snapshot(self._engine) as connection:
            found: int | None = connection.scalar(query)
            return found

    def record_features(self, records: Sequence[FeatureRecord]) -> None:
        """Remember of which days there are features, and from which state of their batches."""
        table = schema.feature_days
        with transaction(self._engine) as connection:
            for record in records:
                same = sa.and_(table.c.pipeline == record.pipeline, table.c.day == record.day)
                connection.execute(table.delete().where(same))
                connection.execute(table.insert().values(asdict(record)))

    def features(self, pipeline: str) -> Mapping[date, FeatureRecord]:
        """The days that have features."""
        query = schema.feature_days.select().where(schema.feature_days.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return {row["day"]: FeatureRecord(**row) for row in connection.execute(query).mappings()}


def _is_batch(pipeline: str, batch_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(schema.batches.c.pipeline == pipeline, schema.batches.c.batch_id == batch_id)
