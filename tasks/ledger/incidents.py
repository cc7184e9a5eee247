"""Incidents and the attempts to heal them, one unfinished incident a thing that went wrong."""

import uuid
from collections.abc import Mapping

import sqlalchemy as sa

from healing.errors import Conflict, IllegalTransition
from healing.evidence import Evidence
from healing.incident import ENDED, Attempt, AttemptOutcome, Incident, Remedy, Status, check_status_change
from tasks.ledger import schema
from tasks.ledger.book import Book
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.rows import incident_of, is_known, load_incident


class Incidents(Book):
    """The part of the ledger that is about incidents."""

    def observe(self, evidence: Evidence, *, status: Status = Status.OPEN) -> Incident:
        """The incident that the evidence belongs to: one that had not ended when it was observed, or a new one.

        So an event that arrives late, or twice, neither reopens an ended incident nor opens a second one; the same
        observation (observer and time) is written once. `status` is that of a new incident: OPEN, or DIAGNOSED when the
        observer is certain.
        """
        if status not in (Status.OPEN, Status.DIAGNOSED):
            raise IllegalTransition(f"a new incident is open or diagnosed, found {status}")
        with transaction(self._engine) as connection:
            incident_id = incident_of(connection, evidence)
            if incident_id is None:
                incident_id = self._open(connection, evidence, status)
            elif is_known(connection, incident_id, evidence):
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
        """The incident with this id; UsageError when there is none."""
        with snapshot(self._engine) as connection:
            return load_incident(connection, incident_id)

    def unfinished(self, pipeline: str) -> list[Incident]:
        """Incidents that have not ended, oldest first."""
        query = sa.select(schema.incidents.c.id).where(
            schema.incidents.c.pipeline == pipeline, schema.incidents.c.ended_at.is_(None)
        )
        with snapshot(self._engine) as connection:
            ids = connection.scalars(query.order_by(schema.incidents.c.detected_at)).all()
            return [load_incident(connection, incident_id) for incident_id in ids]

    def incidents(self, pipeline: str | None = None, limit: int = 100) -> list[Incident]:
        """The latest incidents, newest first; of every pipeline when none is named."""
        query = sa.select(schema.incidents.c.id).order_by(schema.incidents.c.detected_at.desc()).limit(limit)
        if pipeline is not None:
            query = query.where(schema.incidents.c.pipeline == pipeline)
        with snapshot(self._engine) as connection:
            return [load_incident(connection, incident_id) for incident_id in connection.scalars(query).all()]

    def set_status(self, incident_id: str, status: Status, note: str = "") -> Incident:
        """Move the incident on; IllegalTransition where the lifecycle forbids it. Recovery implies mitigation."""
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
            _update_incident(connection, incident_id, changes)
            self._write(connection, incident.pipeline, f"incident.{status}", incident_id, _named(incident, note))
            return load_incident(connection, incident_id)

    def mitigated(self, incident_id: str, note: str = "") -> Incident:
        """Service is back within its SLO, perhaps from a fallback. The first time counts; later ones change nothing."""
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            if incident.mitigated_at is None:
                _update_incident(connection, incident_id, {"mitigated_at": self._now()})
                self._write(connection, incident.pipeline, "incident.mitigated", incident_id, _named(incident, note))
            return load_incident(connection, incident_id)

    def start_attempt(self, incident_id: str, remedy: Remedy, flow_run_id: str | None = None) -> Attempt:
        """Claim the incident for one remedy and write it down before it starts.

        Conflict while another attempt is running: whoever started it goes on. IllegalTransition before diagnosis.
        """
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            running = incident.running_attempt
            if running is not None:
                raise Conflict(
                    f"incident {incident_id} is being healed by attempt {running.number} ({running.remedy}); "
                    "wait for its end"
                )
            check_status_change(incident.status, Status.HEALING)
            _update_incident(connection, incident_id, {"status": Status.HEALING.value})
            attempt = Attempt(
                number=len(incident.attempts) + 1, remedy=remedy, started_at=self._now(), flow_run_id=flow_run_id
            )
            connection.execute(
                schema.attempts.insert().values(
                    incident_id=incident_id,
                    number=attempt.number,
                    remedy=remedy.value,
                    outcome=attempt.outcome.value,
                    started_at=attempt.started_at,
                    flow_run_id=flow_run_id,
                )
            )
            detail = {**_named(incident), "number": attempt.number, "remedy": remedy.value}
            self._write(connection, incident.pipeline, "attempt.started", incident_id, detail)
            return attempt

    def attach_run(self, incident_id: str, number: int, flow_run_id: str) -> None:
        """Remember which Prefect run carries the attempt; Conflict when the attempt is not running."""
        self._change_running(incident_id, number, {"flow_run_id": flow_run_id}, "attempt.dispatched")

    def finish_attempt(self, incident_id: str, number: int, outcome: AttemptOutcome, note: str = "") -> Incident:
        """Write how the attempt ended; Conflict when it is not running any more."""
        if outcome is AttemptOutcome.RUNNING:
            raise IllegalTransition("an attempt ends succeeded, failed or futile; found running")
        changes = {"outcome": outcome.value, "note": note, "ended_at": self._now()}
        self._change_running(incident_id, number, changes, "attempt.finished")
        return self.incident(incident_id)

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
        self._write(connection, evidence.pipeline, "incident.opened", incident_id, detail)
        return incident_id

    def _change_running(self, incident_id: str, number: int, changes: Mapping[str, object], kind: str) -> None:
        table = schema.attempts
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            running = incident.running_attempt
            if running is None or running.number != number:
                raise Conflict(
                    f"expected attempt {number} of incident {incident_id} to be running, found "
                    f"{'none' if running is None else f'attempt {running.number}'}; re-read the incident"
                )
            connection.execute(
                table.update().where(table.c.incident_id == incident_id, table.c.number == number).values(dict(changes))
            )
            shown = {key: value for key, value in changes.items() if key != "ended_at"}
            detail = {**_named(incident), "number": number, "remedy": running.remedy.value, **shown}
            self._write(connection, incident.pipeline, kind, incident_id, detail)


def _named(incident: Incident, note: str = "") -> dict[str, object]:
    """What a reader of the timeline needs to recognise the incident without a second look-up."""
    named: dict[str, object] = {"cause": incident.cause.value, "subject": incident.subject}
    return {**named, "note": note} if note else named


def _update_incident(connection: sa.Connection, incident_id: str, changes: Mapping[str, object]) -> None:
    connection.execute(schema.incidents.update().where(schema.incidents.c.id == incident_id).values(dict(changes)))
