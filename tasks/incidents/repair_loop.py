"""The repair loop: one pass advances every incident of a pipeline. The resident healer and `heal` share it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog
from pydantic import BaseModel, ConfigDict

from healing.common_cause import consider_common_causes
from healing.decision import decision_of
from healing.diagnosis import Signals
from healing.errors import Conflict, IllegalTransition, Transient
from healing.incident import Cause, Incident, Remedy, Status
from healing.limits import Limits
from healing.moment import Moment
from healing.plan import plan
from healing.policy import Policy
from healing.steps import Cancel, Confirm, Finish, Resume, Start, Step, Verify, Wait
from tasks.incidents.decision_log import DecisionLog
from tasks.incidents.incident_view import view_of
from tasks.incidents.remedy_registry import find_remedy
from tasks.incidents.step_executor import StepExecutor
from tasks.ledger.database import LedgerUnavailable
from tasks.runtime.clock import current_moment

log = structlog.get_logger(__name__)

STEPS_MAX = 8  # per incident and pass, so that one incident does not delay the others
PASS_SECONDS = 0.3  # between two passes of `settle`
_FOLLOWED = Confirm | Start | Resume | Finish  # steps after which another one may be possible at once


class HandledIncident(BaseModel):
    """An incident after a run, and what the run did."""

    model_config = ConfigDict(frozen=True)

    id: str
    cause: Cause
    subject: str
    status: Status
    remedies: tuple[Remedy, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class RepairLoop:
    """Advances the incidents of `pipeline`. Signals and policy are read per step, because both change meanwhile."""

    pipeline: str
    executor: StepExecutor
    read_policy: Callable[[], Policy]
    read_signals: Callable[[], Signals]
    clock: Callable[[], Moment] = current_moment
    _decisions: DecisionLog = field(init=False)

    def __post_init__(self) -> None:
        self._decisions = DecisionLog(self.executor.ledger)

    def settle(self, seconds_max: float) -> tuple[HandledIncident, ...]:
        """Make passes until nothing more can change soon, or `seconds_max` is over; returns the incidents it met."""
        deadline = time.monotonic() + seconds_max
        met: dict[str, Incident] = {}
        while True:
            incidents = self.executor.ledger.observed_incidents(self.pipeline)
            met |= {incident.id: incident for incident in incidents}
            if not self.advance(incidents) or time.monotonic() >= deadline:
                return tuple(self._handled(incident_id) for incident_id in met)
            time.sleep(PASS_SECONDS)

    def advance(self, incidents: Sequence[Incident]) -> bool:
        """One pass. Returns whether a further pass may change something soon.

        LedgerUnavailable ends the pass; any other outage only makes its incident wait.
        """
        advanced = [self._advance(incident) for incident in incidents]  # every one of them
        return any(advanced)

    def _advance(self, incident: Incident) -> bool:
        """Take steps until the incident waits. A conflict or an outage leaves it to a later pass."""
        try:
            for _ in range(STEPS_MAX):
                step = self._step(incident.id)
                if not isinstance(step, _FOLLOWED):
                    return isinstance(step, Verify | Cancel) or (isinstance(step, Wait) and step.is_short)
        except (Conflict, IllegalTransition) as exc:
            log.info("incident_changed_elsewhere", incident=incident.id, cause=str(exc))
        except LedgerUnavailable:  # the other incidents cannot be advanced either
            raise
        except Transient as exc:
            log.warning("incident_waits", incident=incident.id, cause=str(exc))
            self.executor.notes.setdefault(incident.id, []).append(f"waits: {exc}")
            return False
        except Exception:  # a defect in one remedy must not stop the healing of the other incidents
            log.exception("incident_step_failed", incident=incident.id, cause=incident.cause)
            return False
        return True

    def _step(self, incident_id: str) -> Step:
        """Plan and execute one step of the incident, as the ledger has it now."""
        executor, policy, now = self.executor, self.read_policy(), self.clock()
        incident, signals = executor.ledger.incident(incident_id), self.read_signals()
        view = view_of(
            incident,
            signals,
            policy,
            executor.memory,
            now,
            settings=executor.settings,
            ledger=executor.ledger,
            token=executor.token,
        )
        limits = _limits_of(incident, policy.limits_for(incident.cause))
        step = plan(incident, view, limits, now)
        decision = decision_of(
            incident,
            view,
            limits,
            step,
            now,
            common_causes=consider_common_causes(incident.cause, signals.serving, signals.shared_problems),
            disabled=policy.disabled.get(incident.cause, ()),
            served=signals.served,
        )
        self._decisions.record(incident, decision, now.wall)
        if isinstance(step, Start) and view.odds:
            odds = {str(remedy): share for remedy, share in view.odds.items()}
            executor.ledger.record_entry(
                self.pipeline, "remedy.chosen", incident.id, {"remedy": str(step.remedy), "odds": odds}
            )
        executor.probed, executor.served = signals.probed, signals.served
        executor.execute(incident, step, now)
        return step

    def _handled(self, incident_id: str) -> HandledIncident:
        incident = self.executor.ledger.incident(incident_id)
        return HandledIncident(
            id=incident.id,
            cause=incident.cause,
            subject=incident.subject,
            status=incident.status,
            remedies=tuple(self.executor.started.get(incident_id, ())),
            notes=tuple(self.executor.notes.get(incident_id, ())),
        )


def _limits_of(incident: Incident, limits: Limits) -> Limits:
    """The limits, with the verification time of the remedy that is running."""
    running = incident.running_attempt
    action = None if running is None else find_remedy(running.remedy, incident.cause)
    if action is None or action.verify_seconds_max is None:
        return limits
    return replace(limits, verify_seconds_max=action.verify_seconds_max)
