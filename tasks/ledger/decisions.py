"""Decisions about incidents in the ledger: why a step was chosen, for people who ask later."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import structlog
from pydantic import TypeAdapter, ValidationError

from healing.decision import Decision
from tasks.ledger import schema
from tasks.ledger.database import snapshot, transaction
from tasks.ledger.journal import Journal

log = structlog.get_logger(__name__)

_DOCUMENT = TypeAdapter(Decision)


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision and the time at which it was made first."""

    at: datetime
    decision: Decision


class DecisionStore(Journal):
    """The part of the ledger that stores decisions. They explain; nothing is decided by them."""

    def record_decision(self, incident_id: str, decision: Decision, at: datetime) -> None:
        """Add a decision that differs from the one before it."""
        document = _DOCUMENT.dump_python(decision, mode="json")
        with transaction(self._engine) as connection:
            connection.execute(schema.decisions.insert().values(incident_id=incident_id, at_utc=at, decision=document))

    def decisions(self, incident_id: str) -> list[RecordedDecision]:
        """The decisions about the incident, oldest first, without those that another version wrote in another form."""
        table = schema.decisions
        query = table.select().where(table.c.incident_id == incident_id).order_by(table.c.id)
        with snapshot(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return [recorded for row in rows if (recorded := _recorded(row)) is not None]


def _recorded(row: sa.RowMapping) -> RecordedDecision | None:
    try:
        return RecordedDecision(row["at_utc"], _DOCUMENT.validate_python(row["decision"]))
    except ValidationError as exc:
        log.warning("decision_not_read", incident=row["incident_id"], cause=exc.errors()[0]["msg"])
        return None
