"""Attempts in the ledger: recorded before the remedy starts, when it is applied, and when it ends."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from healing.errors import Conflict, IllegalTransition
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy, Status, check_status_change
from healing.moment import Moment
from tasks.ledger import schema
from tasks.ledger.database import transaction
from tasks.ledger.incident_rows import load_incident
from tasks.ledger.incidents import IncidentStore, journal_detail, update_incident
from tasks.ledger.leases import healer_lease
from tasks.runtime.clock import current_moment


class AttemptStore(IncidentStore):
    """The part of the ledger that stores attempts, with the changes of status that belong to them."""

    def start_attempt(
        self,
        incident_id: str,
        remedy: Remedy,
        flow_run_id: str | None = None,
        *,
        started_on: Moment | None = None,
        lease_token: int | None = None,
    ) -> Attempt:
        """Claim the incident for one remedy, and record the attempt before the remedy starts.

        `started_on` is the start on the boot clock, `lease_token` that of the healer; both are None for a flow that
        records its own attempts. Conflict while another attempt is running, or if a healer with a newer token leads.
        IllegalTransition before the incident is diagnosed.
        """
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            _check_token(connection, incident, lease_token)
            running = incident.running_attempt
            if running is not None:
                raise Conflict(
                    f"incident {incident_id} is being healed by attempt {running.number} ({running.remedy}); "
                    "wait for its end"
                )
            check_status_change(incident.status, Status.HEALING)
            update_incident(connection, incident_id, {"status": Status.HEALING.value})
            attempt = Attempt(
                number=len(incident.attempts) + 1,
                remedy=remedy,
                started_at=self._now() if started_on is None else started_on.wall,
                flow_run_id=flow_run_id,
                lease_token=lease_token,
                started_on=started_on,
            )
            connection.execute(
                schema.attempts.insert().values(
                    incident_id=incident_id,
                    number=attempt.number,
                    remedy=remedy.value,
                    outcome=attempt.outcome.value,
                    started_at=attempt.started_at,
                    flow_run_id=flow_run_id,
                    lease_token=lease_token,
                    boot_id="" if started_on is None else started_on.boot_id,
                    started_boot_seconds=None if started_on is None else started_on.boot_seconds,
                )
            )
            detail = {**journal_detail(incident), "number": attempt.number, "remedy": remedy.value}
            self._write_entry(connection, incident.pipeline, "attempt.started", incident_id, detail)
            return attempt

    def attach_run(self, incident_id: str, number: int, flow_run_id: str) -> None:
        """Record which Prefect run carries the attempt; Conflict if the attempt is not running."""
        self._update_running_attempt(incident_id, number, {"flow_run_id": flow_run_id}, "attempt.dispatched")

    def mark_applied(self, incident_id: str, number: int, note: str = "") -> None:
        """Record that the remedy has done its part and verification begins; Conflict if the attempt is not running."""
        now = current_moment()
        changes = {"applied_at": now.wall, "applied_boot_seconds": now.boot_seconds, "note": note}
        self._update_running_attempt(incident_id, number, changes, "attempt.applied", hidden=("applied_at",))

    def finish_and_close(self, incident_id: str, number: int, status: Status, note: str = "") -> Incident:
        """Record that the attempt succeeded and that the incident ends as `status`, in one transaction.

        Nobody can see the one without the other. Conflict if the attempt is not running.
        """
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            running = _running(incident, number)
            check_status_change(incident.status, status)
            now = self._now()
            connection.execute(
                schema.attempts.update()
                .where(schema.attempts.c.incident_id == incident_id, schema.attempts.c.number == number)
                .values(outcome=AttemptOutcome.SUCCEEDED.value, note=note, ended_at=now)
            )
            changes = {"status": status.value, "note": note, "ended_at": now}
            update_incident(connection, incident_id, {**changes, "mitigated_at": incident.mitigated_at or now})
            detail = {**journal_detail(incident), "number": number, "remedy": running.remedy.value}
            finished = {**detail, "outcome": AttemptOutcome.SUCCEEDED.value, "note": note}
            self._write_entry(connection, incident.pipeline, "attempt.finished", incident_id, finished)
            self._write_entry(
                connection, incident.pipeline, f"incident.{status}", incident_id, journal_detail(incident, note)
            )
            return load_incident(connection, incident_id)

    def escalate(
        self, incident_id: str, note: str, *, started_on: Moment | None = None, lease_token: int | None = None
    ) -> Incident:
        """Record that people were notified: an attempt of ESCALATE and the status, in one transaction."""
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            _check_token(connection, incident, lease_token)
            check_status_change(incident.status, Status.ESCALATED)
            now = self._now()
            connection.execute(
                schema.attempts.insert().values(
                    incident_id=incident_id,
                    number=len(incident.attempts) + 1,
                    remedy=Remedy.ESCALATE.value,
                    outcome=AttemptOutcome.SUCCEEDED.value,
                    started_at=now,
                    ended_at=now,
                    note=note,
                    lease_token=lease_token,
                    boot_id="" if started_on is None else started_on.boot_id,
                    started_boot_seconds=None if started_on is None else started_on.boot_seconds,
                )
            )
            changes = {"status": Status.ESCALATED.value, "note": note, "ended_at": now}
            update_incident(connection, incident_id, changes)
            self._write_entry(
                connection, incident.pipeline, "incident.escalated", incident_id, journal_detail(incident, note)
            )
            return load_incident(connection, incident_id)

    def finish_attempt(self, incident_id: str, number: int, outcome: AttemptOutcome, note: str = "") -> Incident:
        """Record how the attempt ended; Conflict if it is not running."""
        if outcome is AttemptOutcome.RUNNING:
            raise IllegalTransition("an attempt ends succeeded, failed or futile; found running")
        changes = {"outcome": outcome.value, "note": note, "ended_at": self._now()}
        self._update_running_attempt(incident_id, number, changes, "attempt.finished")
        return self.incident(incident_id)

    def _update_running_attempt(
        self,
        incident_id: str,
        number: int,
        changes: Mapping[str, object],
        kind: str,
        hidden: Collection[str] = ("ended_at",),
    ) -> None:
        table = schema.attempts
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            running = _running(incident, number)
            connection.execute(
                table.update().where(table.c.incident_id == incident_id, table.c.number == number).values(dict(changes))
            )
            shown = {key: value for key, value in changes.items() if key not in hidden}
            detail = {**journal_detail(incident), "number": number, "remedy": running.remedy.value, **shown}
            self._write_entry(connection, incident.pipeline, kind, incident_id, detail)


def _running(incident: Incident, number: int) -> Attempt:
    """The running attempt; Conflict if it is not this one."""
    running = incident.running_attempt
    if running is None or running.number != number:
        raise Conflict(
            f"expected attempt {number} of incident {incident.id} to be running, found "
            f"{'none' if running is None else f'attempt {running.number}'}; re-read the incident"
        )
    return running


def _check_token(connection: sa.Connection, incident: Incident, lease_token: int | None) -> None:
    """Conflict if another healer has taken the pipeline's lease over: this one must not start anything."""
    if lease_token is None:
        return
    table = schema.leases
    query = sa.select(table.c.token).where(table.c.name == healer_lease(incident.pipeline))
    current = connection.scalars(query).first()
    if current is not None and current > lease_token:
        raise Conflict(f"the healer with lease token {lease_token} was replaced by one with token {current}")
