"""Batches in the ledger: where the rows of each went, and which days have features."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.journal import Journal
from tasks.ledger.records import BatchRecord, BatchStatus, FeatureRecord

_IN_JOURNAL = ("received", "accepted", "quarantined", "duplicates", "status", "source", "revision")


class BatchState(NamedTuple):
    """The newest revision of a batch, its status, and how many rows its source sent."""

    revision: int
    status: BatchStatus
    received: int


class TableTotals(NamedTuple):
    """The batches of one table: the newest accepted day, and where their rows went."""

    table: str
    newest_day: date | None
    recorded_at: datetime
    batches: int
    rejected_batches: int
    accepted_rows: int
    quarantined_rows: int


class BatchStore(Journal):
    """The part of the ledger that stores batches and feature days."""

    def record_batches(self, records: Sequence[BatchRecord]) -> None:
        """Record all of them or none. A batch id that is on record already is replaced."""
        if not records:
            return
        rows = [
            {**_columns_of(record), "status": record.status.value, "repairs": list(record.repairs)}
            for record in records
        ]
        table = schema.batches
        same = sa.and_(
            table.c.pipeline == sa.bindparam("replaced_pipeline"), table.c.batch_id == sa.bindparam("replaced_batch")
        )
        replaced = [{"replaced_pipeline": row["pipeline"], "replaced_batch": row["batch_id"]} for row in rows]
        entries = [(row["pipeline"], row["batch_id"], {key: row[key] for key in _IN_JOURNAL}) for row in rows]
        with transaction(self._engine) as connection:
            connection.execute(table.delete().where(same), replaced)
            connection.execute(table.insert(), rows)
            self._write_entries(connection, "batch.recorded", entries)

    def batches(self, pipeline: str) -> list[BatchRecord]:
        """Every batch of the pipeline, in the order of recording."""
        query = schema.batches.select().where(schema.batches.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(schema.batches.c.recorded_at, schema.batches.c.batch_id))
            return [_batch_record(row) for row in rows.mappings()]

    def batches_by_id(self, pipeline: str, batch_ids: Sequence[str]) -> Mapping[str, BatchRecord]:
        """The recorded ones of `batch_ids`, by id."""
        query = schema.batches.select().where(
            schema.batches.c.pipeline == pipeline, schema.batches.c.batch_id.in_(batch_ids)
        )
        with snapshot(self._engine) as connection:
            return {row["batch_id"]: _batch_record(row) for row in connection.execute(query).mappings()}

    def batch_states(
        self, pipeline: str, *, since: date = date.min, until: date = date.max
    ) -> Mapping[tuple[str, date], BatchState]:
        """The state of every batch of the days [since, until], by table and day.

        A short read where there are thousands of batches.
        """
        table = schema.batches
        query = sa.select(table.c.table, table.c.day, table.c.revision, table.c.status, table.c.received)
        wanted = sa.and_(table.c.pipeline == pipeline, table.c.day >= since, table.c.day <= until)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.where(wanted)).all()
        known = {status.value: status for status in BatchStatus}
        return {(name, day): BatchState(revision, known[status], sent) for name, day, revision, status, sent in rows}

    def table_totals(self, pipeline: str) -> list[TableTotals]:
        """The totals of every table of the pipeline, by name."""
        table = schema.batches
        accepted_day = sa.case((table.c.status != BatchStatus.REJECTED.value, table.c.day))
        rejected = sa.case((table.c.status == BatchStatus.REJECTED.value, 1), else_=0)
        query = sa.select(
            table.c.table,
            sa.func.max(accepted_day),
            sa.func.max(table.c.recorded_at),
            sa.func.count(),
            sa.func.sum(rejected),
            sa.func.sum(table.c.accepted),
            sa.func.sum(table.c.quarantined),
        )
        grouped = query.where(table.c.pipeline == pipeline).group_by(table.c.table).order_by(table.c.table)
        with snapshot(self._engine) as connection:
            return [TableTotals(*row) for row in connection.execute(grouped)]

    def batch(self, pipeline: str, batch_id: str) -> BatchRecord | None:
        """The batch with this id, or None."""
        return self.batches_by_id(pipeline, [batch_id]).get(batch_id)

    def lake_version(self, pipeline: str, table: str) -> int | None:
        """The newest version of a lake table that a recorded batch names; None if no batch names one."""
        newest = sa.select(sa.func.max(schema.batches.c.lake_version))
        query = newest.where(schema.batches.c.pipeline == pipeline, schema.batches.c.table == table)
        with snapshot(self._engine) as connection:
            found: int | None = connection.scalar(query)
            return found

    def lake_versions(self, pipeline: str, table: str) -> frozenset[int]:
        """Every version of a lake table that a recorded batch names."""
        query = sa.select(schema.batches.c.lake_version).where(
            schema.batches.c.pipeline == pipeline,
            schema.batches.c.table == table,
            schema.batches.c.lake_version.is_not(None),
        )
        with snapshot(self._engine) as connection:
            return frozenset(connection.scalars(query))

    def feature_versions(self, pipeline: str) -> frozenset[int]:
        """Every version of the features that a recorded day names."""
        return frozenset(record.lake_version for record in self.features(pipeline).values())

    def record_features(self, records: Sequence[FeatureRecord]) -> None:
        """Record which days have features. A day that is on record already is replaced."""
        if not records:
            return
        table = schema.feature_days
        same = sa.and_(
            table.c.pipeline == sa.bindparam("replaced_pipeline"), table.c.day == sa.bindparam("replaced_day")
        )
        replaced = [{"replaced_pipeline": each.pipeline, "replaced_day": each.day} for each in records]
        with transaction(self._engine) as connection:
            connection.execute(table.delete().where(same), replaced)
            connection.execute(table.insert(), [_columns_of(record) for record in records])

    def features(self, pipeline: str) -> Mapping[date, FeatureRecord]:
        """The days that have features."""
        query = schema.feature_days.select().where(schema.feature_days.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return {row["day"]: FeatureRecord(**row) for row in connection.execute(query).mappings()}


def _columns_of(record: BatchRecord | FeatureRecord) -> dict[str, Any]:
    """The record's fields by name; `asdict` copies every value, which takes longer than the database."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _batch_record(row: sa.RowMapping) -> BatchRecord:
    return BatchRecord(**{**row, "status": BatchStatus(row["status"]), "repairs": tuple(row["repairs"])})
