"""Whether an incident is what its evidence says: signals read now, against what was reported then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from healing.incident import Cause, Incident
from healing.release import Reason, Release
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
class Diagnosis:
    finding: Finding
    reason: str


def diagnose(incident: Incident, signals: Signals) -> Diagnosis:
    """Ask the witness of the incident's cause. What only its reporter could see (a batch, a source) stands."""
    cause = incident.cause
    if cause in SEEN_BY_GATEWAY:
        return _ask_gateway(incident, signals)
    if cause is Cause.GATEWAY_DOWN:
        if signals.problems is None:
            return Diagnosis(Finding.CONFIRMED, "the gateway does not answer")
        return Diagnosis(Finding.ABSENT, "the gateway answers")
    if cause in SEEN_BY_MONITOR:
        return _ask_monitor(cause, signals)
    if cause is Cause.BAD_CANDIDATE:
        return _ask_release_log(incident, signals)
    return Diagnosis(Finding.CONFIRMED, "reported by who saw it")


def _ask_gateway(incident: Incident, signals: Signals) -> Diagnosis:
    if signals.problems is None:
        return Diagnosis(Finding.UNDECIDED, "the gateway does not answer")
    seen = next((p for p in signals.problems if (p.cause, p.subject) == (incident.cause, incident.subject)), None)
    if seen is None:
        return Diagnosis(Finding.ABSENT, f"the gateway reports no {incident.cause} of {incident.subject[:12]}")
    return Diagnosis(Finding.CONFIRMED, seen.message or "the gateway reports it")


def _ask_monitor(cause: Cause, signals: Signals) -> Diagnosis:
    verdicts = signals.checks.get(cause, ())
    failing = [verdict for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    if failing:
        return Diagnosis(Finding.CONFIRMED, "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in failing))
    if not verdicts:
        return Diagnosis(Finding.ABSENT, f"the monitor has no check that points to {cause}")
    shown = ", ".join(f"{verdict.check} {verdict.outcome}" for verdict in verdicts)
    return Diagnosis(Finding.ABSENT, f"the monitor's latest checks show no {cause}: {shown}")


def _ask_release_log(incident: Incident, signals: Signals) -> Diagnosis:
    """A candidate is bad if it is on trial now, or if its trial was aborted."""
    trials = pairwise(signals.history)
    if any(
        before.challenger is not None
        and before.challenger.model.digest == incident.subject
        and after.reason is Reason.ABORT
        for before, after in trials
    ):
        return Diagnosis(Finding.CONFIRMED, "its canary was aborted")
    current = signals.history[-1] if signals.history else None
    if current and current.challenger and current.challenger.model.digest == incident.subject:
        return Diagnosis(Finding.CONFIRMED, "it is on trial")
    return Diagnosis(Finding.ABSENT, f"{incident.subject[:12]} is not and was not on trial")
