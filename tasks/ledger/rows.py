"""Reading the ledger's rows back into the values that the rest of the code speaks."""

import sqlalchemy as sa

from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.verdict import Outcome, Verdict
from tasks.ledger import schema
from tasks.ledger.records import BatchRecord, BatchStatus, CheckRecord, JournalEntry


def _same_thing(evidence: Evidence) -> sa.ColumnElement[bool]:
    table = schema.incidents
    return sa.and_(
        table.c.pipeline == evidence.pipeline,
        table.c.cause == evidence.cause.value,
        table.c.subject == evidence.subject,
    )


def incident_of(connection: sa.Connection, evidence: Evidence) -> str | None:
    """Id of the incident about the same thing that had not ended when this was observed; the unfinished one first."""
    table = schema.incidents
    query = (
        sa.select(table.c.id)
        .where(_same_thing(evidence), sa.or_(table.c.ended_at.is_(None), table.c.ended_at >= evidence.observed_at))
        .order_by(table.c.ended_at.is_not(None), table.c.ended_at)
    )
    return connection.scalars(query).first()


def is_known(connection: sa.Connection, incident_id: str, evidence: Evidence) -> bool:
    """Whether the incident already holds this observation (same observer, same time)."""
    table = schema.evidence
    query = sa.select(table.c.id).where(
        table.c.incident_id == incident_id,
        table.c.observer == evidence.observer,
        table.c.observed_at == evidence.observed_at,
    )
    return connection.scalars(query).first() is not None


def load_incident(connection: sa.Connection, incident_id: str) -> Incident:
    """The incident with its evidence and attempts; UsageError when there is none."""
    row = connection.execute(schema.incidents.select().where(schema.incidents.c.id == incident_id)).mappings().first()
    if row is None:
        raise UsageError(f"no incident {incident_id!r} in this ledger; `autopilot history` lists them")
    seen = connection.execute(
        schema.evidence.select().where(schema.evidence.c.incident_id == incident_id).order_by(schema.evidence.c.id)
    )
    tried = connection.execute(
        schema.attempts.select().where(schema.attempts.c.incident_id == incident_id).order_by(schema.attempts.c.number)
    )
    return Incident(
        id=row["id"],
        pipeline=row["pipeline"],
        cause=Cause(row["cause"]),
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
            for each in seen.mappings()
        ),
        attempts=tuple(_attempt(each) for each in tried.mappings()),
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
    )


def batch_record(row: sa.RowMapping) -> BatchRecord:
    return BatchRecord(**{**row, "status": BatchStatus(row["status"]), "repairs": tuple(row["repairs"])})


def check_record(row: sa.RowMapping) -> CheckRecord:
    return CheckRecord(
        pipeline=row["pipeline"],
        cause=Cause(row["cause"]),
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


def journal_entry(row: sa.RowMapping) -> JournalEntry:
    return JournalEntry(
        id=row["id"],
        at=row["at_utc"],
        at_monotonic_ns=row["at_monotonic_ns"],
        pipeline=row["pipeline"],
        kind=row["kind"],
        subject=row["subject"],
        detail=row["detail"],
    )
