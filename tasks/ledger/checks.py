"""The monitor's checks in the ledger."""

import sqlalchemy as sa

from healing.incident import known_cause
from healing.verdict import Outcome, Verdict
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.journal import Journal
from tasks.ledger.records import CheckRecord


class CheckStore(Journal):
    """The part of the ledger that stores checks."""

    def record_check(self, record: CheckRecord) -> None:
        """Add one check. The latest record per check name is the one that counts."""
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
            self._write_entry(connection, record.pipeline, "check.recorded", verdict.check, detail)

    def latest_checks(self, pipeline: str) -> list[CheckRecord]:
        """The latest record of every check of the pipeline, ordered by check name."""
        table = schema.checks
        newest = sa.select(sa.func.max(table.c.id)).where(table.c.pipeline == pipeline).group_by(table.c.check)
        with snapshot(self._engine) as connection:
            rows = connection.execute(table.select().where(table.c.id.in_(newest)).order_by(table.c.check))
            return [_check_record(row) for row in rows.mappings()]

    def check_history(self, pipeline: str, check: str, limit: int = 100) -> list[CheckRecord]:
        """The last records of one check, newest first."""
        table = schema.checks
        query = table.select().where(table.c.pipeline == pipeline, table.c.check == check)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit))
            return [_check_record(row) for row in rows.mappings()]


def _check_record(row: sa.RowMapping) -> CheckRecord:
    return CheckRecord(
        pipeline=row["pipeline"],
        cause=known_cause(row["cause"]),
        verdict=Verdict(
            check=row["check"],
            outcome=Outcome(row["outcome"]),
            reason=row["reason"],
            observations=row["observations"],
            statistic=row["statistic"],
            threshold=row["threshold"],
        ),
        window_from=row["window_from"],
        window_until=row["window_until"],
        recorded_at=row["recorded_at"],
    )
