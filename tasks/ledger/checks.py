"""What the monitor saw: every check with its verdict, the latest of each name first."""

import sqlalchemy as sa

from tasks.ledger import schema
from tasks.ledger.book import Book
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.records import CheckRecord
from tasks.ledger.rows import check_record


class Checks(Book):
    """The part of the ledger that is about the monitor's checks."""

    def record_check(self, record: CheckRecord) -> None:
        """Remember one check of the monitor; the latest of each name is what counts."""
        verdict = record.verdict
        with transaction(self._engine) as connection:
            connection.execute(
                schema.checks.insert().values(
                    pipeline=record.pipeline,
                    check=verdict.check,
                    cause=record.cause.value,
                    outcome=verdict.outcome.value,
                    reason=verdict.reason,
                    observations=verdict.observations,
                    statistic=verdict.statistic,
                    threshold=verdict.threshold,
                    window_from=record.window_from,
                    window_until=record.window_until,
                    recorded_at=record.recorded_at,
                )
            )
            detail = {"outcome": verdict.outcome.value, "statistic": verdict.statistic, "threshold": verdict.threshold}
            self._write(connection, record.pipeline, "check.recorded", verdict.check, detail)

    def latest_checks(self, pipeline: str) -> list[CheckRecord]:
        """The latest record of every check of the pipeline, by name."""
        table = schema.checks
        newest = sa.select(sa.func.max(table.c.id)).where(table.c.pipeline == pipeline).group_by(table.c.check)
        with snapshot(self._engine) as connection:
            rows = connection.execute(table.select().where(table.c.id.in_(newest)).order_by(table.c.check))
            return [check_record(row) for row in rows.mappings()]

    def checks(self, pipeline: str, check: str, limit: int = 100) -> list[CheckRecord]:
        """The last records of one check, newest first: what m-of-n persistence looks at."""
        table = schema.checks
        query = table.select().where(table.c.pipeline == pipeline, table.c.check == check)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
            return [check_record(row) for row in rows.mappings()]
