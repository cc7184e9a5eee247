"""Queries for incidents: find the one that evidence belongs to, and load them with their evidence and attempts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy, Status, known_cause
from healing.moment import Moment
from tasks.ledger import schema

_IDS_MAX = 500  # per query; SQLite takes 999 parameters in old versions


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
    found = load_incidents(connection, [incident_id])
    if not found:
        raise UsageError(f"no incident {incident_id!r} in this ledger; `autopilot history` lists them")
    return found[0]


def load_incidents(
    connection: sa.Connection, incident_ids: Sequence[str], *, with_evidence: bool = True
) -> list[Incident]:
    """The incidents in the order of their ids, in a few queries for all; unknown ids are left out."""
    found: dict[str, Incident] = {}
    for start in range(0, len(incident_ids), _IDS_MAX):
        ids = incident_ids[start : start + _IDS_MAX]
        evidence = _rows_of(connection, schema.evidence, schema.evidence.c.id, ids) if with_evidence else {}
        attempts = _rows_of(connection, schema.attempts, schema.attempts.c.number, ids)
        rows = connection.execute(schema.incidents.select().where(schema.incidents.c.id.in_(ids)))
        for row in rows.mappings():
            found[row["id"]] = _incident(row, evidence.get(row["id"], ()), attempts.get(row["id"], ()))
    return [found[incident_id] for incident_id in incident_ids if incident_id in found]


def _rows_of(
    connection: sa.Connection, table: sa.Table, order: sa.Column[Any], ids: Sequence[str]
) -> dict[str, list[sa.RowMapping]]:
    """The rows of each incident in `table`, in this order."""
    query = table.select().where(table.c.incident_id.in_(ids)).order_by(table.c.incident_id, order)
    rows: dict[str, list[sa.RowMapping]] = {}
    for row in connection.execute(query).mappings():
        rows.setdefault(row["incident_id"], []).append(row)
    return rows


def _incident(row: sa.RowMapping, evidence: Sequence[sa.RowMapping], attempts: Sequence[sa.RowMapping]) -> Incident:
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
            for each in evidence
        ),
        attempts=tuple(_attempt(each) for each in attempts),
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
