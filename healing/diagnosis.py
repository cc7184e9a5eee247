"""Confirms an incident: compares the reported evidence with the signals that are read now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from healing.incident import Cause, Incident, Status
from healing.release import Release
from healing.remedy import Role, role_of
from healing.slo import AnswerCounts
from healing.verdict import Outcome, Verdict

CONFIRMED_BY_GATEWAY = frozenset(
    {
        Cause.MODEL_CORRUPT,
        Cause.MODEL_FAILING,
        Cause.MODEL_SLOW,
        Cause.DISK_FULL,
        Cause.STORE_UNAVAILABLE,
        Cause.RESOURCE_PRESSURE,
    }
)
CONFIRMED_BY_MONITOR = frozenset({Cause.DATA_DRIFT, Cause.QUALITY_DROP})
CONFIRMED_BY_PROBE = frozenset({Cause.SOURCE_SLOW, Cause.REGISTRY_UNAVAILABLE, Cause.ORCHESTRATOR_UNAVAILABLE})

ProblemKey = tuple[Cause, str]  # cause and subject


@dataclass(frozen=True, slots=True)
class ProblemSignal:
    """A problem that the gateway reports now."""

    cause: Cause
    subject: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """The state that incidents are confirmed against.

    `probed` has what the healer's probes found about each problem that they watch; they decide about these problems.

    `problems` is None if the gateway does not answer: that neither confirms nor refutes a problem. `serving` are the
    digests of the models that it has a worker for. `checks` holds the
    monitor's latest verdicts by the cause that a FAIL is evidence of. `history` is the release log, oldest first; None
    if it cannot be read.
    """

    problems: tuple[ProblemSignal, ...] | None = None
    serving: tuple[str, ...] = ()
    checks: Mapping[Cause, tuple[Verdict, ...]] = field(default_factory=dict)
    history: tuple[Release, ...] | None = ()
    served: AnswerCounts | None = None  # by the gateway, since its start
    probed: Mapping[ProblemKey, "Confirmation"] = field(default_factory=dict)

    @property
    def shared_problems(self) -> tuple[ProblemSignal, ...]:
        """What may explain the problems of a model: what the gateway reports, and a machine without resources."""
        pressed = (
            ProblemSignal(cause, subject, found.reason)
            for (cause, subject), found in self.probed.items()
            if cause is Cause.RESOURCE_PRESSURE and found.presence is Presence.CONFIRMED
        )
        return (*(self.problems or ()), *pressed)


class Presence(StrEnum):
    """Whether the problem of an incident is present now."""

    CONFIRMED = "confirmed"
    ABSENT = "absent"  # the incident is dismissed if it was never confirmed, else it has recovered
    INCONCLUSIVE = "inconclusive"  # the observer does not answer; ask again later


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether the problem is present, and what shows it."""

    presence: Presence
    reason: str


def confirm(incident: Incident, signals: Signals) -> Confirmation:
    """Confirm the incident with the observer of its cause. Without an observer, it is confirmed as reported."""
    probed = signals.probed.get((incident.cause, incident.subject))
    if probed is not None:
        return probed
    if incident.cause in CONFIRMED_BY_PROBE:
        return Confirmation(Presence.INCONCLUSIVE, "its probe does not watch it now")
    return _confirm_by_cause(incident, signals)


def _confirm_by_cause(incident: Incident, signals: Signals) -> Confirmation:
    """Confirm an incident that no probe watches."""
    cause = incident.cause
    if cause in CONFIRMED_BY_GATEWAY:
        return _confirm_with_gateway(incident, signals)
    if cause is Cause.GATEWAY_DOWN:
        if signals.problems is None:
            return Confirmation(Presence.CONFIRMED, "the gateway does not answer")
        return Confirmation(Presence.ABSENT, "the gateway answers")
    if cause in CONFIRMED_BY_MONITOR:
        return _confirm_with_checks(cause, incident.status, signals)
    if cause is Cause.BAD_CANDIDATE:
        return _confirm_bad_candidate(incident, signals)
    return Confirmation(Presence.CONFIRMED, "only its detector can observe it")


def _confirm_with_gateway(incident: Incident, signals: Signals) -> Confirmation:
    if signals.problems is None:
        return Confirmation(Presence.INCONCLUSIVE, "the gateway does not answer")
    subject = (incident.cause, incident.subject)
    problem = next((p for p in signals.problems if (p.cause, p.subject) == subject), None)
    if problem is None:
        return Confirmation(Presence.ABSENT, f"the gateway reports no {incident.cause} of {incident.subject[:12]}")
    return Confirmation(Presence.CONFIRMED, problem.message or "the gateway reports it")


def _confirm_with_checks(cause: Cause, status: Status, signals: Signals) -> Confirmation:
    """A claim that no check confirms is refuted; a problem that a check confirmed is over only when one passes."""
    verdicts = signals.checks.get(cause, ())
    failing = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    if failing:
        return Confirmation(Presence.CONFIRMED, "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failing))
    if not verdicts:
        return Confirmation(Presence.ABSENT, f"the monitor has no check of {cause}")
    outcomes = ", ".join(f"{verdict.check} {verdict.outcome}" for verdict in verdicts)
    if any(verdict.outcome is Outcome.INCONCLUSIVE for verdict in verdicts) and status is not Status.OPEN:
        return Confirmation(Presence.INCONCLUSIVE, f"no check says whether {cause} is over: {outcomes}")
    return Confirmation(Presence.ABSENT, f"the monitor's latest checks show no {cause}: {outcomes}")


def _confirm_bad_candidate(incident: Incident, signals: Signals) -> Confirmation:
    """A candidate is bad if it is fenced, or if a check of it fails while it is on trial or champion."""
    if signals.history is None:
        return Confirmation(Presence.INCONCLUSIVE, "the release log cannot be read")
    current = signals.history[-1] if signals.history else None
    role, name = role_of(current, incident.subject), incident.subject[:12]
    fence = None if current is None else current.fence_of(incident.subject)
    if fence is not None:
        return Confirmation(Presence.CONFIRMED, f"{fence.by} fenced it: {fence.why}")
    if role not in (Role.CHALLENGER, Role.CHAMPION):
        return Confirmation(Presence.ABSENT, f"{name} is neither on trial nor champion, and not fenced")
    failing = [verdict for verdict in signals.checks.get(Cause.BAD_CANDIDATE, ()) if verdict.outcome is Outcome.FAIL]
    if failing:
        return Confirmation(Presence.CONFIRMED, "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failing))
    return Confirmation(Presence.ABSENT, f"{name} is {role}, and no check of it failed")
