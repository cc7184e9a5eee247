"""Records the decisions about incidents, one row per change of a decision and not one per second."""

from dataclasses import dataclass, field
from datetime import datetime

import structlog

from healing.decision import Decision
from healing.errors import Transient
from healing.incident import Incident, Status
from tasks.ledger.database import LedgerUnavailable
from tasks.ledger.store import Ledger

log = structlog.get_logger(__name__)

DECISIONS_MAX = 200  # per incident; beyond, a decision to wait is not recorded, and budgets bound the others


@dataclass(slots=True)
class DecisionLog:
    """Records decisions in the ledger. It remembers the last one per incident, and reads it after a restart."""

    ledger: Ledger
    _last: dict[str, tuple[int, Decision | None]] = field(default_factory=dict)

    def record(self, incident: Incident, decision: Decision, at: datetime) -> None:
        """Record the decision if it differs from the last one. One that the ledger refuses does not stop the healing.

        Nothing is decided about an incident that is closed. LedgerUnavailable if the ledger does not answer.
        """
        if incident.status in (Status.RECOVERED, Status.DISMISSED):
            self._last.pop(incident.id, None)
            return
        try:
            count, last = self._last.get(incident.id) or self._read(incident)
            if (last is not None and decision.repeats(last)) or (count >= DECISIONS_MAX and decision.waits):
                self._last[incident.id] = (count, last)
                return
            self.ledger.record_decision(incident.id, decision, at)
            self._last[incident.id] = (count + 1, decision)
        except LedgerUnavailable:  # the healer goes on with its local ledger
            raise
        except Transient as exc:
            log.warning("decision_not_recorded", incident=incident.id, step=decision.step, cause=str(exc))

    def _read(self, incident: Incident) -> tuple[int, Decision | None]:
        recorded = self.ledger.decisions(incident.id)
        return len(recorded), recorded[-1].decision if recorded else None
