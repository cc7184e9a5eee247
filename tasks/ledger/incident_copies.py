"""Copies of incidents with all that belongs to them, and how a copy joins the incident of a ledger."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from healing.detectors import OBSERVED_CONTINUOUSLY
from healing.incident import AttemptOutcome, Status
from tasks.ledger import schema

_RUNNING = AttemptOutcome.RUNNING.value
_LOST = "the ledger went away during this attempt; the next one went on"
_TAKEN_OVER = "another healer took the incident over"
_PROGRESS = (Status.OPEN, Status.DIAGNOSED, Status.HEALING)  # of an unfinished incident, in this order

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IncidentCopy:
    """The rows of one incident."""

    incident: Row
    evidence: tuple[Row, ...]
    decisions: tuple[Row, ...]
    attempts: tuple[Row, ...]
    approvals: tuple[Row, ...]

    @property
    def id(self) -> str:
        return str(self.incident["id"])


def read_copies(connection: sa.Connection, incident_ids: Collection[str]) -> tuple[IncidentCopy, ...]:
    """The rows of these incidents, oldest first. Ids that the ledger does not have are left out."""
    table = schema.incidents
    query = table.select().where(table.c.id.in_(incident_ids)).order_by(table.c.detected_at)
    return tuple(
        IncidentCopy(
            incident=dict(row),
            evidence=_rows_of(connection, schema.evidence, row["id"], schema.evidence.c.id),
            decisions=_rows_of(connection, schema.decisions, row["id"], schema.decisions.c.id),
            attempts=_rows_of(connection, schema.attempts, row["id"], schema.attempts.c.number),
            approvals=_rows_of(connection, schema.approvals, row["id"], schema.approvals.c.asked_at),
        )
        for row in connection.execute(query).mappings().all()
    )


def write_copies(connection: sa.Connection, copies: Iterable[IncidentCopy]) -> None:
    """Insert the rows as they are; the ledger must not have these incidents yet."""
    for copy in copies:
        connection.execute(schema.incidents.insert().values(dict(copy.incident)))
        _add_observations(connection, copy.id, copy)
        for attempt in copy.attempts:
            connection.execute(schema.attempts.insert().values(dict(attempt)))
        for approval in copy.approvals:
            connection.execute(schema.approvals.insert().values(dict(approval)))


def join_copy(connection: sa.Connection, copy: IncidentCopy, incident_id: str, since: datetime) -> str:
    """Add what the copy knows to the incident `incident_id`, or to the unfinished one of the same cause and subject.

    Returns the id of that incident; without one, the copy itself is inserted. `since` is when the copy was separated.
    """
    target = _target(connection, copy, incident_id)
    if target is None:
        write_copies(connection, [copy])
        return copy.id
    found: str = target["id"]
    _add_observations(connection, found, copy)
    numbers = _join_attempts(connection, found, copy.attempts, since)
    if found == copy.id:  # else people were given the id of an incident that is gone, and are asked again
        _join_approvals(connection, found, copy.approvals, numbers)
    _join_status(connection, target, copy.incident)
    return found


def _rows_of(connection: sa.Connection, table: sa.Table, incident_id: str, order: Any) -> tuple[Row, ...]:
    query = table.select().where(table.c.incident_id == incident_id).order_by(order)
    return tuple(dict(row) for row in connection.execute(query).mappings())


def _target(connection: sa.Connection, copy: IncidentCopy, incident_id: str) -> sa.RowMapping | None:
    """The incident of the ledger that the copy belongs to."""
    table = schema.incidents
    row = connection.execute(table.select().where(table.c.id == incident_id)).mappings().first()
    if row is not None:
        return row
    same = [table.c[name] == copy.incident[name] for name in ("pipeline", "cause", "subject")]
    observed = sa.and_(table.c.status == Status.ESCALATED.value, table.c.cause.in_(OBSERVED_CONTINUOUSLY))
    query = table.select().where(*same, sa.or_(table.c.ended_at.is_(None), observed))
    return connection.execute(query.order_by(table.c.ended_at.is_not(None))).mappings().first()


def _add_observations(connection: sa.Connection, incident_id: str, copy: IncidentCopy) -> None:
    """Add the evidence and the decisions that the incident does not have."""
    for table, rows, key in (
        (schema.evidence, copy.evidence, ("observer", "observed_at")),
        (schema.decisions, copy.decisions, ("at_utc",)),
    ):
        known = {tuple(row[name] for name in key) for row in _rows_of(connection, table, incident_id, table.c.id)}
        for row in rows:
            if tuple(row[name] for name in key) not in known:
                values = {name: value for name, value in row.items() if name != "id"}
                connection.execute(table.insert().values({**values, "incident_id": incident_id}))


def _join_attempts(
    connection: sa.Connection, incident_id: str, rows: Sequence[Row], since: datetime
) -> Mapping[int, int]:
    """Add the attempts, with their outcomes, behind those of the incident. A remedy and its start name an attempt.

    Returns the number that each has now, and the next one would have.
    """
    table = schema.attempts
    present = _rows_of(connection, table, incident_id, table.c.number)
    known = {(row["remedy"], row["started_at"]): row for row in present}
    named = {(row["remedy"], row["started_at"]) for row in rows}
    elsewhere = False
    for row in present:
        if row["outcome"] == _RUNNING and (row["remedy"], row["started_at"]) not in named:
            if row["started_at"] >= since:
                elsewhere = True
            else:
                ended = {"outcome": AttemptOutcome.FAILED.value, "note": _LOST, "ended_at": since}
                _update_attempt(connection, incident_id, row["number"], ended)
    number = max((row["number"] for row in present), default=0)
    numbers = {}
    for row in rows:
        same = known.get((row["remedy"], row["started_at"]))
        values = dict(row)
        if elsewhere and row["outcome"] == _RUNNING:
            values |= {"outcome": AttemptOutcome.FAILED.value, "note": _TAKEN_OVER, "ended_at": row["started_at"]}
        if same is None:
            number += 1
            connection.execute(table.insert().values({**values, "incident_id": incident_id, "number": number}))
        elif same["outcome"] == _RUNNING:
            changes = {name: value for name, value in values.items() if name not in ("incident_id", "number")}
            _update_attempt(connection, incident_id, same["number"], changes)
        numbers[row["number"]] = number if same is None else same["number"]
    return {**numbers, max(numbers, default=0) + 1: number + 1}


def _join_approvals(
    connection: sa.Connection, incident_id: str, rows: Sequence[Row], numbers: Mapping[int, int]
) -> None:
    """Add the questions that the incident does not have. One that it has keeps its answer: people answer here only.

    A remedy and the time of its question name an approval.
    """
    table = schema.approvals
    present = _rows_of(connection, table, incident_id, table.c.number)
    asked = {(row["remedy"], row["asked_at"]) for row in present}
    taken = {(row["remedy"], row["number"]) for row in present}
    for row in rows:
        number = numbers.get(row["number"], row["number"])
        if (row["remedy"], row["asked_at"]) not in asked and (row["remedy"], number) not in taken:
            connection.execute(table.insert().values({**row, "incident_id": incident_id, "number": number}))


def _update_attempt(connection: sa.Connection, incident_id: str, number: int, changes: Row) -> None:
    table = schema.attempts
    same = (table.c.incident_id == incident_id, table.c.number == number)
    connection.execute(table.update().where(*same).values(dict(changes)))


def _join_status(connection: sa.Connection, target: sa.RowMapping, copied: Row) -> None:
    """The later status of the two. One that has ended stays ended, unless people were notified and it recovered."""
    ours, theirs = Status(target["status"]), Status(copied["status"])
    changes: dict[str, Any] = {"mitigated_at": target["mitigated_at"] or copied["mitigated_at"]}
    ended = {name: copied[name] for name in ("status", "note", "ended_at")}
    attempts = _rows_of(connection, schema.attempts, target["id"], schema.attempts.c.number)
    running = any(row["outcome"] == _RUNNING for row in attempts)
    recovered = ours is Status.ESCALATED and theirs is Status.RECOVERED
    if recovered or (ours in _PROGRESS and theirs not in _PROGRESS and not running):
        changes |= ended
    elif ours in _PROGRESS:
        reached = _PROGRESS.index(theirs) if theirs in _PROGRESS else 0
        status = Status.HEALING if running else _PROGRESS[max(_PROGRESS.index(ours), reached)]
        changes["status"] = status.value
    connection.execute(schema.incidents.update().where(schema.incidents.c.id == target["id"]).values(changes))
