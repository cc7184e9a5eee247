"""Queries for one incident: find the one that evidence belongs to, and load it with its evidence and attempts."""

from datetime import datetime

import sqlalchemy as sa

from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy, Status, known_cause
from healing.moment import Moment
from tasks.ledger import schema


def find_incident(connection: sa.Connection, evidence: Evidence) -> str | None:
    """Id of the incident with the evidence's cause and subject that had not ended when the evidence was observed.

    An escalated one has not ended as long as its problem is observed: people know of it and are not notified again. An
    unfinished incident comes before ended ones.
    """
    table = schema.incidents
    query = (
        sa.select(table.c.id)
        .where(
            table.c.pipeline == evidence.pipeline,
            table.c.cause == evidence.cause.value,
            table.c.subject == evidence.subject,
            sa.or_(
                table.c.ended_at.is_(None),
                table.c.ended_at >= evidence.observed_at,
                sa.and_(table.c.status == Status.ESCALATED.value, table.c.cause.in_(OBSERVED_CONTINUOUSLY)),
            ),
        )
        .order_by(table.c.ended_at.is_not(None), table.c.ended_at)
    )
    return connection.scalars(query).first()


def has_evidence(connection: sa.Connection, incident_id: str, evidence: Evidence) -> bool:
    """Whether the incident already has an observation by the same observer at the same time."""
    table = schema.evidence
    query = sa.select(table.c.id).where(
        table.c.incident_id == incident_id,
        table.c.observer == evidence.observer,
        table.c.observed_at == evidence.observed_at,
    )
    return connection.scalars(query).first() is not None


def load_incident(connection: sa.Connection, incident_id: str) -> Incident:
    """The incident with its evidence and attempts; UsageError if there is none with this id."""
    row = connection.execute(schema.incidents.select().where(schema.incidents.c.id == incident_id)).mappings().first()
    if row is None:
        raise UsageError(f"no incident {incident_id!r} in this ledger; `autopilot history` lists them")
    evidence = connection.execute(
        schema.evidence.select().where(schema.evidence.c.incident_id == incident_id).order_by(schema.evidence.c.id)
    )
    attempts = connection.execute(
        schema.attempts.select().where(schema.attempts.c.incident_id == incident_id).order_by(schema.attempts.c.number)
    )
    return Incident(
        id=row["id"],
        pipeline=row["pipeline"],
        cause=known_cause(row["cause"]),
        subject=row["subject"],
        status=Status(row["status"]),
        detected_at=row["detected_at"],
        summary=row["summary"],
        mitigated_at=row["mitigated_at"],
        ended_at=row["ended_at"],
        evidence=tuple(
            {
                "observer": each["observer"],
                "observed_at": each["observed_at"].isoformat(),
                "summary": each["summary"],
                "facts": each["facts"],
            }
            for each in evidence.mappings()
        ),
        attempts=tuple(_attempt(each) for each in attempts.mappings()),
    )


def _attempt(row: sa.RowMapping) -> Attempt:
    return Attempt(
        number=row["number"],
        remedy=Remedy(row["remedy"]),
        started_at=row["started_at"],
        outcome=AttemptOutcome(row["outcome"]),
        ended_at=row["ended_at"],
        flow_run_id=row["flow_run_id"],
        note=row["note"],
        lease_token=row["lease_token"],
        started_on=_moment(row["started_at"], row["boot_id"], row["started_boot_seconds"]),
        applied=_moment(row["applied_at"], row["boot_id"], row["applied_boot_seconds"]),
    )


def _moment(wall: datetime | None, boot_id: str, boot_seconds: float | None) -> Moment | None:
    return None if wall is None else Moment(wall, boot_id, boot_seconds)
