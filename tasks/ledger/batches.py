"""Which batches came in and where their rows went, and of which days there are features."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from tasks.ledger import schema
from tasks.ledger.book import Book
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.records import BatchRecord, BatchStatus, FeatureRecord
from tasks.ledger.rows import batch_record

_SHOWN = ("received", "accepted", "quarantined", "duplicates", "status", "source", "revision")


class Seen(NamedTuple):
    """What became of a batch, and how often its source has sent it differently."""

    revision: int
    status: BatchStatus


class Batches(Book):
    """The part of the ledger that is about batches."""

    def record_batches(self, records: Sequence[BatchRecord]) -> None:
        """Remember all of them or none; the same batch id again (a repeated ingest) replaces what was there."""
        if not records:
            return
        rows = [
            {**asdict(record), "status": record.status.value, "repairs": list(record.repairs)} for record in records
        ]
        table = schema.batches
        same = sa.and_(table.c.pipeline == sa.bindparam("of"), table.c.batch_id == sa.bindparam("named"))
        told = [(row["pipeline"], row["batch_id"], {key: row[key] for key in _SHOWN}) for row in rows]
        with transaction(self._engine) as connection:
            connection.execute(
                table.delete().where(same), [{"of": row["pipeline"], "named": row["batch_id"]} for row in rows]
            )
            connection.execute(table.insert(), rows)
            self._write_all(connection, "batch.recorded", told)

    def batches(self, pipeline: str) -> list[BatchRecord]:
        """Every batch of the pipeline, in the order of recording."""
        query = schema.batches.select().where(schema.batches.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(schema.batches.c.recorded_at, schema.batches.c.batch_id))
            return [batch_record(row) for row in rows.mappings()]

    def batches_named(self, pipeline: str, batch_ids: Sequence[str]) -> Mapping[str, BatchRecord]:
        """Those of the named batches that are known, by id."""
        query = schema.batches.select().where(
            schema.batches.c.pipeline == pipeline, schema.batches.c.batch_id.in_(batch_ids)
        )
        with snapshot(self._engine) as connection:
            return {row["batch_id"]: batch_record(row) for row in connection.execute(query).mappings()}

    def seen(self, pipeline: str) -> Mapping[tuple[str, date], Seen]:
        """Revision and status of every batch, by table and day: little to read where there are thousands."""
        table = schema.batches
        query = sa.select(table.c.table, table.c.day, table.c.revision, table.c.status)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.where(table.c.pipeline == pipeline)).all()
        return {(name, day): Seen(revision, BatchStatus(status)) for name, day, revision, status in rows}

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

    def lake_versions(self, pipeline: str, table: str) -> frozenset[int]:
        """Every version of a lake table that the ledger names a batch of."""
        query = sa.select(schema.batches.c.lake_version).where(
            schema.batches.c.pipeline == pipeline,
            schema.batches.c.table == table,
            schema.batches.c.lake_version.is_not(None),
        )
        with snapshot(self._engine) as connection:
            return frozenset(connection.scalars(query))

    def feature_versions(self, pipeline: str) -> frozenset[int]:
        """Every version of the features that the ledger names a day of."""
        return frozenset(record.lake_version for record in self.features(pipeline).values())

    def record_features(self, records: Sequence[FeatureRecord]) -> None:
        """Remember of which days there are features, and from which state of their batches."""
        if not records:
            return
        table = schema.feature_days
        with transaction(self._engine) as connection:
            same = sa.and_(table.c.pipeline == sa.bindparam("of"), table.c.day == sa.bindparam("on"))
            connection.execute(table.delete().where(same), [{"of": each.pipeline, "on": each.day} for each in records])
            connection.execute(table.insert(), [asdict(record) for record in records])

    def features(self, pipeline: str) -> Mapping[date, FeatureRecord]:
        """The days that have features."""
        query = schema.feature_days.select().where(schema.feature_days.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return {row["day"]: FeatureRecord(**row) for row in connection.execute(query).mappings()}


def _is_batch(pipeline: str, batch_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(schema.batches.c.pipeline == pipeline, schema.batches.c.batch_id == batch_id)
