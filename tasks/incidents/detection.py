"""Detection: what the gateway reports, its silence, fences, and what probes find become evidence in the ledger."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from healing.diagnosis import ProblemKey
from healing.errors import GatewayRefused, GatewayUnavailable
from healing.evidence import Evidence
from healing.incident import Cause
from tasks.config.settings import Settings
from tasks.incidents.fence_evidence import FenceEvidence
from tasks.incidents.probing import OBSERVER, Probing
from tasks.ledger.store import Ledger
from tasks.runtime.events import EventName, emit, payload_of
from tasks.serving.gateway_client import GatewayReport, read_gateway_once

log = structlog.get_logger(__name__)

SILENT_LOOKS_MIN = 3  # in a row
SILENT_SECONDS_MIN = 2.0  # a gateway that restarts under its supervisor is silent for less


@dataclass(slots=True)
class Detection:
    """Observes the gateway of one pipeline, and collects what its probes find.

    `_silent` counts the looks at the gateway in a row that had no answer, the first of them at `_silent_since`
    (monotonic). `_reported` are the problems that it reported last. `_refused`: it last refused our key.
    """

    settings: Settings
    pipeline: str
    probing: Probing
    _silent: int = 0
    _silent_since: float = 0.0
    _refused: bool = False
    _reported: frozenset[ProblemKey] = frozenset()
    _fences: FenceEvidence = field(init=False)

    def __post_init__(self) -> None:
        self._fences = FenceEvidence(self.settings, self.pipeline)

    def record(self, ledger: Ledger) -> None:
        """Look once, and record what is not on record yet, announcing the incidents that this opens."""
        known = {(each.cause, each.subject) for each in ledger.observed_incidents(self.pipeline)}
        self.probing.advance()
        observed = [*self._look(), *self.probing.evidence(), *self._fences.evidence()]
        record_new(ledger, [each for each in observed if (each.cause, each.subject) not in known])

    def gateway_changed(self) -> bool:
        """Whether the gateway reports other problems than at the last look, or has become silent.

        One cheap request, so that a problem need not wait for the next pass.
        """
        if self._silent or self._refused or self.settings.addresses().operate is None:
            return False
        state = self.read_gateway()
        return not self._refused and (state is None or _problems_of(state) != self._reported)

    def read_gateway(self) -> GatewayReport | None:
        """The gateway's state; None if it does not answer, or refuses the control plane's key."""
        operate = self.settings.addresses().operate
        if operate is None:
            return None
        self._refused = False
        try:
            return read_gateway_once(operate)
        except GatewayRefused:
            self._refused = True  # it is not silent; the probe of its key reports the refusal
        except GatewayUnavailable as exc:
            log.warning("gateway_unavailable", cause=str(exc))
        return None

    def _look(self) -> list[Evidence]:
        operate = self.settings.addresses().operate
        if operate is None:
            return []
        state = self.read_gateway()
        if self._refused:
            self._silent = 0
            return []
        if state is not None:
            self._silent, self._reported = 0, _problems_of(state)
        elif self._silent == 0:
            self._silent, self._silent_since = 1, time.monotonic()
        else:
            self._silent += 1
        if state is not None:
            return [
                Evidence(self.pipeline, problem.code, problem.subject, "gateway", problem.since, problem.message)
                for problem in state.problems
            ]
        if self._silent < SILENT_LOOKS_MIN or time.monotonic() - self._silent_since < SILENT_SECONDS_MIN:
            return []
        summary = f"no answer from {operate}"
        return [Evidence(self.pipeline, Cause.GATEWAY_DOWN, "gateway", OBSERVER, datetime.now(UTC), summary)]


def _problems_of(state: GatewayReport) -> frozenset[ProblemKey]:
    return frozenset((problem.code, problem.subject) for problem in state.problems)


def record_new(ledger: Ledger, evidences: Sequence[Evidence]) -> None:
    """Record evidence, and announce the incidents that it opens."""
    for evidence in evidences:
        known = {incident.id for incident in ledger.observed_incidents(evidence.pipeline)}
        incident = ledger.record_evidence(evidence)
        if not incident.ended and incident.id not in known:
            emit(EventName.INCIDENT_OPENED, evidence.pipeline, {**payload_of(evidence), "incident_id": incident.id})
