"""Approvals in the ledger: the question to a person, recorded once per attempt and remedy, and the person's answer."""

import sqlalchemy as sa

from healing.approval import Approval, ApprovalOutcome
from healing.errors import UsageError
from healing.incident import Incident, Remedy
from healing.moment import Moment
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.incident_rows import load_incident
from tasks.ledger.incidents import IncidentStore, journal_detail


class ApprovalStore(IncidentStore):
    """The part of the ledger that stores approvals."""

    def ask_approval(self, incident_id: str, number: int, remedy: Remedy, asked: Moment) -> None:
        """Record that a person was asked; Conflict if that is on record already."""
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            connection.execute(
                schema.approvals.insert().values(
                    incident_id=incident_id,
                    number=number,
                    remedy=remedy.value,
                    asked_at=asked.wall,
                    boot_id=asked.boot_id,
                    asked_boot_seconds=asked.boot_seconds,
                )
            )
            detail = {**journal_detail(incident), "number": number, "remedy": remedy.value}
            self._write_entry(connection, incident.pipeline, "approval.asked", incident_id, detail)

    def approvals(self, incident_id: str) -> list[Approval]:
        """The approvals of the incident, oldest first."""
        with snapshot(self._engine) as connection:
            return _load(connection, incident_id)

    def answer_approval(
        self,
        incident_id: str,
        outcome: ApprovalOutcome,
        *,
        by: str,
        reason: str = "",
        remedy: Remedy | None = None,
    ) -> Approval:
        """Record a person's answer to the question that is open; `remedy` says to which one where there are several.

        UsageError if nothing waits for an answer: the incident is over, escalated, or has gone on without it.
        """
        if not by.strip():
            raise UsageError("expected the name of the person who decides, found an empty one; give it with --by")
        with transaction(self._engine) as connection:
            incident = load_incident(connection, incident_id)
            found = _open_approval(incident, _load(connection, incident_id), remedy)
            table, now = schema.approvals, self._now()
            connection.execute(
                table.update()
                .where(
                    table.c.incident_id == incident_id,
                    table.c.number == found.number,
                    table.c.remedy == found.remedy.value,
                )
                .values(outcome=outcome.value, decided_by=by, decided_at=now, reason=reason)
            )
            asked = {"number": found.number, "remedy": found.remedy.value}
            detail = {**journal_detail(incident), **asked, "by": by, "reason": reason}
            self._write_entry(connection, incident.pipeline, f"approval.{outcome}", incident_id, detail)
            return next(
                each
                for each in _load(connection, incident_id)
                if (each.number, each.remedy) == (found.number, found.remedy)
            )


def _open_approval(incident: Incident, approvals: list[Approval], remedy: Remedy | None) -> Approval:
    """The approval that the next attempt waits for."""
    following = len(incident.attempts) + 1
    waiting = [each for each in approvals if each.number == following and each.outcome is None]
    waiting = [each for each in waiting if remedy in (None, each.remedy)]
    if incident.ended or not waiting:
        known = ", ".join(
            f"{each.remedy} ({each.outcome or 'no longer needed'}{f' by {each.decided_by}' if each.decided_by else ''})"
            for each in approvals
        )
        raise UsageError(
            f"expected an incident that waits for an approval, found {incident.id} with status {incident.status} and "
            f"{known or 'no question'}; `autopilot incident show` shows it"
        )
    if len(waiting) > 1:
        names = ", ".join(each.remedy for each in waiting)
        raise UsageError(f"expected one open question, found those about {names}; name one with --remedy")
    return waiting[0]


def _load(connection: sa.Connection, incident_id: str) -> list[Approval]:
    table = schema.approvals
    query = table.select().where(table.c.incident_id == incident_id).order_by(table.c.asked_at, table.c.number)
    return [
        Approval(
            number=row["number"],
            remedy=Remedy(row["remedy"]),
            asked=Moment(row["asked_at"], row["boot_id"], row["asked_boot_seconds"]),
            outcome=None if row["outcome"] is None else ApprovalOutcome(row["outcome"]),
            decided_by=row["decided_by"],
            decided_at=row["decided_at"],
            reason=row["reason"],
        )
        for row in connection.execute(query).mappings()
    ]
