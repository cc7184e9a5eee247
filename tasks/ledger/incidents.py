"""Incidents in the ledger, with their evidence and attempts; at most one unfinished per pipeline, cause and subject."""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.errors import IllegalTransition, UsageError
from healing.evidence import Evidence
from healing.incident import ENDED, Cause, Incident, Status, check_status_change
from tasks.config.suggestion import did_you_mean
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.incident_rows import find_incident, has_evidence, load_incident, load_incidents
from tasks.ledger.journal import Journal

_LATEST = 100  # incidents of a cause whose attempts say how well its remedies work
_IDS_SHOWN = 5  # in the message about an id that fits several incidents
_IDS_COMPARED = 200  # with an id that is misspelt


class IncidentStore(Journal):
    """The part of the ledger that stores incidents."""

    def record_evidence(self, evidence: Evidence, *, status: Status = Status.OPEN) -> Incident:
        """Add the evidence to the incident it belongs to, and return that incident.

        It belongs to an incident of the same cause and subject that had not ended when it was observed; without one, a
        new incident is opened. So an event that arrives late or twice neither reopens an ended incident nor opens a
        second one. The same observation (observer and time) is stored once. `status` is that of a new incident: OPEN,
        or DIAGNOSED if the observer is certain.
        """
        if status not in (Status.OPEN, Status.DIAGNOSED):
            raise IllegalTransition(f"a new incident is open or diagnosed, found {status}")
        with transaction(self._engine) as connection:
            incident_id = find_incident(connection, evidence)
            if incident_id is None:
                incident_id = self._open(connection, evidence, status)
            elif has_evidence(connection, incident_id, evidence):
                return load_incident(connection, incident_id)
            connection.execute(
                schema.evidence.insert().values(
                    incident_id=incident_id,
                    observer=evidence.observer,
                    observed_at=evidence.observed_at,
                    summary=evidence.summary,
                    facts=dict(evidence.facts),
                )
            )
            return load_incident(connection, incident_id)

    def incident(self, incident_id: str) -> Incident:
        """The incident with this id; UsageError if there is none."""
        with snapshot(self._engine) as connection:
            return load_incident(connection, incident_id)

    def incident_with_prefix(self, pipeline: str, prefix: str) -> Incident:
        """The incident of the pipeline whose id begins with `prefix`; UsageError if there is none, or several."""
        table = schema.incidents
        query = sa.select(table.c.id).where(
            table.c.pipeline == pipeline, table.c.id.startswith(prefix, autoescape=True)
        )
        with snapshot(self._engine) as connection:
            found = connection.scalars(query.order_by(table.c.id).limit(_IDS_SHOWN)).all()
            if len(found) == 1:
                return load_incident(connection, found[0])
            recent = sa.select(table.c.id).where(table.c.pipeline == pipeline).order_by(table.c.detected_at.desc())
            beginnings = [each[: len(prefix)] for each in connection.scalars(recent.limit(_IDS_COMPARED))]
        if not found:
            raise UsageError(
                f"expected the id of an incident of pipeline {pipeline!r}, found {prefix!r}; "
                f"`autopilot incident list` shows them{did_you_mean(prefix, dict.fromkeys(beginnings))}"
            )
        raise UsageError(
            f"expected the beginning of one id, found {prefix!r}, which fits {', '.join(found)}; give more"
        )

    def unfinished_incidents(self, pipeline: str) -> list[Incident]:
        """Incidents that have not ended, oldest first."""
        query = sa.select(schema.incidents.c.id).where(
            schema.incidents.c.pipeline == pipeline, schema.incidents.c.ended_at.is_(None)
        )
        with snapshot(self._engine) as connection:
            ids = connection.scalars(query.order_by(schema.incidents.c.detected_at)).all()
            return load_incidents(connection, ids)

    def observed_incidents(self, pipeline: str) -> list[Incident]:
        """Incidents that have not ended, and escalated ones whose problem is still observed; oldest first."""
        table = schema.incidents
        observed = sa.and_(table.c.status == Status.ESCALATED.value, table.c.cause.in_(OBSERVED_CONTINUOUSLY))
        query = sa.select(table.c.id).where(table.c.pipeline == pipeline, sa.or_(table.c.ended_at.is_(None), observed))
        with snapshot(self._engine) as connection:
            ids = connection.scalars(query.order_by(table.c.detected_at)).all()
            return load_incidents(connection, ids)

    def incidents(
        self, pipeline: str | None = None, limit: int = 100, causes: Collection[Cause] | None = None
    ) -> list[Incident]:
        """The latest incidents, newest first; those of every pipeline or cause if it is None."""
        table = schema.incidents
        query = sa.select(table.c.id).order_by(table.c.detected_at.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(table.c.pipeline == pipeline)
        if causes is not None:
            query = query.where(table.c.cause.in_([cause.value for cause in causes]))
        with snapshot(self._engine) as connection:
            return load_incidents(connection, connection.scalars(query).all())

    def related_incidents(self, incident: Incident, since: datetime) -> list[Incident]:
        """Other incidents that bear on what may be done about this one, newest first, without their evidence.

        They are those of the pipeline that have not ended, and of the same cause all that ended at `since` or later and
        the latest ones before, however many incidents of other causes came in between.
        """
        table = schema.incidents
        same_cause = table.c.cause == incident.cause.value
        latest = sa.select(table.c.id).where(table.c.pipeline == incident.pipeline, same_cause)
        query = sa.select(table.c.id).where(
            table.c.pipeline == incident.pipeline,
            table.c.id != incident.id,
            sa.or_(
                table.c.ended_at.is_(None),
                sa.and_(same_cause, table.c.ended_at >= since),
                table.c.id.in_(latest.order_by(table.c.detected_at.desc()).limit(_LATEST)),
            ),
        )
        with snapshot(self._engine) as connection:
            ids = connection.scalars(query.order_by(table.c.detected_at.desc())).all()
            return load_incidents(connection, ids, with_evidence=False)

    def incident_ids(self, pipeline: str, limit: int) -> list[str]:
        """Ids of the pipeline's incidents, unfinished ones first, then the newest. A reader may load each alone."""
        table = schema.incidents
        query = sa.select(table.c.id).where(table.c.pipeline == pipeline).limit(limit)
        with snapshot(self._engine) as connection:
            ordered = query.order_by(table.c.ended_at.is_not(None), table.c.detected_at.desc())
            return list(connection.scalars(ordered).all())

    def set_status(self, incident_id: str, status: Status, note: str = "") -> Incident:
        """Change the status; IllegalTransition where the lifecycle forbids it. RECOVERED also sets `mitigated_at`."""
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            check_status_change(incident.status, status)
            if status in ENDED and incident.running_attempt is not None:
                raise IllegalTransition(
                    f"incident {incident_id} has attempt {incident.running_attempt.number} running; finish it first"
                )
            now = self._now()
            changes: dict[str, object] = {"status": status.value, "note": note}
            if status in ENDED:
                changes["ended_at"] = now
            if status is Status.RECOVERED and incident.mitigated_at is None:
                changes["mitigated_at"] = now
            update_incident(connection, incident_id, changes)
            self._write_entry(
                connection, incident.pipeline, f"incident.{status}", incident_id, journal_detail(incident, note)
            )
            return load_incident(connection, incident_id)

    def mark_mitigated(self, incident_id: str, note: str = "") -> Incident:
        """Record that service is back within its SLO, if only from a fallback. Only the first call has an effect."""
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            if incident.mitigated_at is None:
                update_incident(connection, incident_id, {"mitigated_at": self._now()})
                self._write_entry(
                    connection, incident.pipeline, "incident.mitigated", incident_id, journal_detail(incident, note)
                )
            return load_incident(connection, incident_id)

    def _open(self, connection: sa.Connection, evidence: Evidence, status: Status) -> str:
        incident_id = str(uuid.uuid4())
        connection.execute(
            schema.incidents.insert().values(
                id=incident_id,
                pipeline=evidence.pipeline,
                cause=evidence.cause.value,
                subject=evidence.subject,
                status=status.value,
                summary=evidence.summary,
                detected_at=min(evidence.observed_at, self._now()),
            )
        )
        detail = {
            "cause": evidence.cause.value,
            "subject": evidence.subject,
            "observer": evidence.observer,
            "summary": evidence.summary,
        }
        self._write_entry(connection, evidence.pipeline, "incident.opened", incident_id, detail)
        return incident_id


def journal_detail(incident: Incident, note: str = "") -> dict[str, object]:
    """What identifies the incident for a reader of the timeline."""
    detail: dict[str, object] = {"cause": incident.cause.value, "subject": incident.subject}
    return {**detail, "note": note} if note else detail


def update_incident(connection: sa.Connection, incident_id: str, changes: Mapping[str, object]) -> None:
    connection.execute(schema.incidents.update().where(schema.incidents.c.id == incident_id).values(dict(changes)))
