"""Whether an incident is what its evidence says: signals read now, against what was reported then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from healing.incident import Cause, Incident
from healing.release import Release
from healing.remedy import Role, role_of
from healing.verdict import Outcome, Verdict

SEEN_BY_GATEWAY = frozenset({Cause.MODEL_CORRUPT, Cause.MODEL_FAILING, Cause.MODEL_SLOW, Cause.DISK_FULL})
SEEN_BY_MONITOR = frozenset({Cause.DATA_DRIFT, Cause.PREDICTION_DRIFT, Cause.QUALITY_DROP})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that the gateway reports as wrong at this moment."""

    cause: Cause
    subject: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """What can be seen now.

    `problems` is None while the gateway cannot be asked: its silence confirms and refutes nothing. `checks` are the
    monitor's latest verdicts by the cause they point to; `history` is the release log, oldest first.
    """

    problems: tuple[Problem, ...] | None = None
    checks: Mapping[Cause, tuple[Verdict, ...]] = field(default_factory=dict)
    history: tuple[Release, ...] = ()


class Finding(StrEnum):
    """What looking again showed."""

    CONFIRMED = "confirmed"
    ABSENT = "absent"  # it is not there: dismissed if nobody ever confirmed it, else over
    UNDECIDED = "undecided"  # the witness cannot be asked; look again later


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether the incident is what was reported, and what shows it."""

    finding: Finding
    reason: str


def diagnose(incident: Incident, signals: Signals) -> Confirmation:
    """Ask the witness of the incident's cause. What only its reporter could see (a batch, a source) stands."""
    cause = incident.cause
    if cause in SEEN_BY_GATEWAY:
        return _ask_gateway(incident, signals)
    if cause is Cause.GATEWAY_DOWN:
        if signals.problems is None:
            return Confirmation(Finding.CONFIRMED, "the gateway does not answer")
        return Confirmation(Finding.ABSENT, "the gateway answers")
    if cause in SEEN_BY_MONITOR:
        return _ask_monitor(cause, signals)
    if cause is Cause.BAD_CANDIDATE:
        return _ask_about_candidate(incident, signals)
    return Confirmation(Finding.CONFIRMED, "reported by who saw it")


def _ask_gateway(incident: Incident, signals: Signals) -> Confirmation:
    if signals.problems is None:
        return Confirmation(Finding.UNDECIDED, "the gateway does not answer")
    seen = next((p for p in signals.problems if (p.cause, p.subject) == (incident.cause, incident.subject)), None)
    if seen is None:
        return Confirmation(Finding.ABSENT, f"the gateway reports no {incident.cause} of {incident.subject[:12]}")
    return Confirmation(Finding.CONFIRMED, seen.message or "the gateway reports it")


def _ask_monitor(cause: Cause, signals: Signals) -> Confirmation:
    verdicts = signals.checks.get(cause, ())
    failing = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    if failing:
        return Confirmation(Finding.CONFIRMED, "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failing))
    if not verdicts:
        return Confirmation(Finding.ABSENT, f"the monitor has no check that points to {cause}")
    shown = ", ".join(f"{verdict.check} {verdict.outcome}" for verdict in verdicts)
    return Confirmation(Finding.ABSENT, f"the monitor's latest checks show no {cause}: {shown}")


def _ask_about_candidate(incident: Incident, signals: Signals) -> Confirmation:
    """A candidate is bad if its trial ended in a fence, or if labels show it while it is on trial or champion."""
    current = signals.history[-1] if signals.history else None
    role, name = role_of(current, incident.subject), incident.subject[:12]
    fence = None if current is None else current.fence_of(incident.subject)
    if fence is not None:
        return Confirmation(Finding.CONFIRMED, f"{fence.by} ended its trial: {fence.why}")
    if role not in (Role.CHALLENGER, Role.CHAMPION):
        return Confirmation(Finding.ABSENT, f"{name} is neither on trial nor champion, and no fence keeps it out")
    failing = [verdict for verdict in signals.checks.get(Cause.BAD_CANDIDATE, ()) if verdict.outcome is Outcome.FAIL]
    if failing:
        return Confirmation(Finding.CONFIRMED, "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failing))
    return Confirmation(Finding.ABSENT, f"{name} is {role}, and no check has condemned it")
