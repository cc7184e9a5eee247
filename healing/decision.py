"""One decision about an incident in full: the step, what it was based on, and each remedy that was considered."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from healing.approval import refused_remedies
from healing.common_cause import CommonCauses
from healing.diagnosis import Presence
from healing.incident import Attempt, AttemptOutcome, Incident, Remedy, Status
from healing.limits import Limits
from healing.moment import Moment, elapsed_seconds
from healing.plan import View, rest_seconds, tried_attempts
from healing.slo import AnswerCounts
from healing.steps import AskApproval, Escalate, Start, Step
from healing.verdict import Outcome


class Fate(StrEnum):
    """What a decision did with one remedy."""

    CHOSEN = "chosen"
    LATER = "later"  # another remedy comes first
    FUTILE = "futile"  # it cannot help this incident
    COOLING_DOWN = "cooling_down"
    BLOCKED = "blocked"  # by a maintenance window, a missing approval, or another attempt
    OVER_BUDGET = "over_budget"
    DISABLED = "disabled"  # policy allows it, and a drill has switched it off


@dataclass(frozen=True, slots=True)
class ConsideredRemedy:
    """A remedy that policy allows, and why it was chosen or not.

    `odds` is the probability that it comes first, if the order is learned.
    """

    remedy: Remedy
    fate: Fate
    reason: str
    attempts: int = 0
    odds: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What is used of each limit, and the limit."""

    attempts: int
    attempts_max: int
    attempts_today: int
    attempts_daily_max: int
    recoveries: int
    recoveries_max: int

    @property
    def is_used_up(self) -> bool:
        return (
            self.attempts >= self.attempts_max
            or self.attempts_today >= self.attempts_daily_max
            or self.recoveries >= self.recoveries_max
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The step, and what it was based on. `considered` is empty where the signals alone decided.

    `remedy` is the one that starts or that the running attempt applies, `attempt` its number. `verified` is the latest
    observation after the remedy was applied. `served` counts the gateway's answers since its start.
    """

    step: str
    reason: str
    presence: Presence
    presence_reason: str
    budget: Budget
    common_causes: CommonCauses = field(default_factory=CommonCauses)
    considered: tuple[ConsideredRemedy, ...] = ()
    remedy: Remedy | None = None
    attempt: int | None = None
    verified: Outcome | None = None
    verified_reason: str = ""
    served: AnswerCounts | None = None

    @property
    def waits(self) -> bool:
        """Whether the step changes nothing."""
        return self.step in ("wait", "verify")

    def repeats(self, earlier: "Decision") -> bool:
        """Whether this is the same decision as `earlier`, apart from numbers that change with every second."""
        return self._essence() == earlier._essence()

    def _essence(self) -> tuple[object, ...]:
        fates = tuple((each.remedy, each.fate) for each in self.considered)
        words = re.sub(r"\d+", "", self.reason)
        return (
            self.step,
            words,
            self.presence,
            fates,
            self.remedy,
            self.attempt,
            self.verified,
            self.common_causes.found,
        )


def decision_of(
    incident: Incident,
    view: View,
    limits: Limits,
    step: Step,
    now: Moment,
    *,
    common_causes: CommonCauses,
    disabled: Sequence[Remedy] = (),
    served: AnswerCounts | None = None,
) -> Decision:
    """The decision that led to `step`. `disabled` are remedies that policy allows and that a drill switched off."""
    tried = tried_attempts(incident, view, limits, now)
    budget = _budget(view, limits, tried, now)
    considered = _consider(incident, view, limits, step, tried, budget, disabled, now)
    running = incident.running_attempt
    return Decision(
        step=type(step).__name__.lower(),
        reason=str(getattr(step, "reason", "")) or _choice(view, considered),
        presence=view.confirmation.presence,
        presence_reason=view.confirmation.reason,
        budget=budget,
        common_causes=common_causes,
        considered=considered,
        remedy=step.remedy if isinstance(step, Start) else None if running is None else running.remedy,
        attempt=len(incident.attempts) + 1 if isinstance(step, Start) else None if running is None else running.number,
        verified=None if view.verification is None else view.verification.outcome,
        verified_reason="" if view.verification is None else view.verification.reason,
        served=served,
    )


def _budget(view: View, limits: Limits, tried: Sequence[Attempt], now: Moment) -> Budget:
    recoveries = sum(elapsed_seconds(at, now) < limits.window_seconds for at in view.recoveries)
    return Budget(
        attempts=len(tried),
        attempts_max=limits.attempts_max,
        attempts_today=view.attempts_today,
        attempts_daily_max=limits.attempts_daily_max,
        recoveries=recoveries,
        recoveries_max=limits.recoveries_max,
    )


def _consider(
    incident: Incident,
    view: View,
    limits: Limits,
    step: Step,
    tried: Sequence[Attempt],
    budget: Budget,
    disabled: Sequence[Remedy],
    now: Moment,
) -> tuple[ConsideredRemedy, ...]:
    """Every allowed remedy with its fate; nothing while an attempt runs, or before the problem is confirmed."""
    is_treated = incident.status in (Status.DIAGNOSED, Status.HEALING) and incident.running_attempt is None
    if not is_treated or view.confirmation.presence is not Presence.CONFIRMED:
        return ()
    found = []
    for remedy in view.order:
        own = [attempt for attempt in tried if attempt.remedy is remedy]
        fate, reason = _fate(remedy, incident, view, limits, step, budget, own, now)
        found.append(ConsideredRemedy(remedy, fate, reason, len(own), view.odds.get(remedy)))
    off = [ConsideredRemedy(remedy, Fate.DISABLED, "switched off for a drill") for remedy in disabled]
    return (*found, *off)


def _fate(
    remedy: Remedy,
    incident: Incident,
    view: View,
    limits: Limits,
    step: Step,
    budget: Budget,
    own: Sequence[Attempt],
    now: Moment,
) -> tuple[Fate, str]:
    """What the step did with the remedy, and why; in the order in which the plan excludes remedies."""
    if _begins(step, remedy):
        first = f"the first in order of those with {_attempts(len(own))}"
        contains = "the budget is used up, and a pause contains the problem"
        return Fate.CHOSEN, getattr(step, "reason", contains if budget.is_used_up else first)
    futile = _futility(remedy, incident, view)
    if futile is not None:
        return Fate.FUTILE, futile
    if budget.is_used_up:  # only a pause starts then
        return Fate.OVER_BUDGET, str(getattr(step, "reason", "the budget is used up"))
    hindrance = _hindrance(remedy, view, step)
    if hindrance is not None:
        return Fate.BLOCKED, hindrance
    rest = rest_seconds(own, limits, now)
    if rest > 0:
        return Fate.COOLING_DOWN, f"may start again in {rest:.0f} s"
    return Fate.LATER, f"{_attempts(len(own))}; another remedy comes first"


def _futility(remedy: Remedy, incident: Incident, view: View) -> str | None:
    """Why the remedy cannot help this incident; None if it can."""
    if remedy in refused_remedies(view.approvals):
        return "a person refused it for this incident"
    pair = (remedy, AttemptOutcome.FUTILE)
    return next((each.note for each in incident.attempts if (each.remedy, each.outcome) == pair), None)


def _hindrance(remedy: Remedy, view: View, step: Step) -> str | None:
    """Why the remedy may not start now; None if it may."""
    if view.blocked_by is not None or remedy in view.held_back:
        return view.blocked_by or view.held_back[remedy]
    is_asked_for = isinstance(step, AskApproval) and step.remedy is remedy
    if is_asked_for or any(each.remedy is remedy and each.outcome is None for each in view.approvals):
        return "it needs the approval of a person"
    return None


def _begins(step: Step, remedy: Remedy) -> bool:
    """Whether the step applies this remedy."""
    match step:
        case Start(chosen):
            return chosen is remedy
        case Escalate():
            return remedy is Remedy.ESCALATE
        case _:
            return False


def _choice(view: View, considered: Sequence[ConsideredRemedy]) -> str:
    """Why a remedy starts, for a step without a reason of its own."""
    chosen = next((each for each in considered if each.fate is Fate.CHOSEN), None)
    if chosen is None:
        return ""
    order = ", ".join(view.order)
    return f"{chosen.reason}; the order is {order}{' (learned)' if view.odds else ''}"


def _attempts(count: int) -> str:
    return "no attempt yet" if count == 0 else f"{count} attempt{'s' if count > 1 else ''}"
