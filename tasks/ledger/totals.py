"""Counts of incidents and attempts over the whole ledger, for the metrics."""

from typing import NamedTuple

import sqlalchemy as sa

from healing.incident import Status
from tasks.ledger import schema
from tasks.ledger.database import snapshot
from tasks.ledger.journal import Journal


class IncidentTotals(NamedTuple):
    """How many incidents of a cause have a status, and the seconds that the ended ones took since their detection."""

    cause: str
    status: str
    incidents: int
    seconds: float


class AttemptTotals(NamedTuple):
    """How many attempts with a remedy had an outcome."""

    remedy: str
    outcome: str
    attempts: int


class TotalsStore(Journal):
    """The part of the ledger that counts."""

    def incident_totals(self, pipeline: str) -> list[IncidentTotals]:
        """The incidents of the pipeline, by cause and status."""
        table = schema.incidents
        query = sa.select(table.c.cause, table.c.status, table.c.detected_at, table.c.ended_at)
        totals: dict[tuple[str, str], tuple[int, float]] = {}
        with snapshot(self._engine) as connection:
            for cause, status, detected_at, ended_at in connection.execute(query.where(table.c.pipeline == pipeline)):
                count, seconds = totals.get((cause, status), (0, 0.0))
                took = 0.0 if ended_at is None else max(0.0, (ended_at - detected_at).total_seconds())
                totals[cause, status] = count + 1, seconds + took
        return [IncidentTotals(*key, *value) for key, value in sorted(totals.items())]

    def attempt_totals(self, pipeline: str) -> list[AttemptTotals]:
        """The attempts of the pipeline's incidents, by remedy and outcome."""
        attempts, incidents = schema.attempts, schema.incidents
        query = (
            sa.select(attempts.c.remedy, attempts.c.outcome, sa.func.count())
            .join(incidents, incidents.c.id == attempts.c.incident_id)
            .where(incidents.c.pipeline == pipeline)
            .group_by(attempts.c.remedy, attempts.c.outcome)
            .order_by(attempts.c.remedy, attempts.c.outcome)
        )
        with snapshot(self._engine) as connection:
            return [AttemptTotals(*row) for row in connection.execute(query)]

    def escalations(self, pipeline: str) -> dict[str, int]:
        """How many incidents of each cause were escalated to people, also those that recovered later."""
        journal, incidents = schema.journal, schema.incidents
        query = (
            sa.select(incidents.c.cause, sa.func.count().label("escalations"))
            .join(journal, journal.c.subject == incidents.c.id)
            .where(journal.c.pipeline == pipeline, journal.c.kind == f"incident.{Status.ESCALATED.value}")
            .group_by(incidents.c.cause)
        )
        with snapshot(self._engine) as connection:
            return {row.cause: row.escalations for row in connection.execute(query)}
