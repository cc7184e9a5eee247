"""The verdict on a recorded journal, and its exit code. Pure.

`chaos run` alone is not a gate: it can exit with 0 after an unmet steady state, an action that raised or a control that
raised. So the journal is judged afterwards, and a missing part of it is a failure of the harness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from chaos.spec import DrillSpec, Indicator

__all__ = ["SECTION", "Counts", "DrillFindings", "Durations", "Exit", "Judgement", "OpenedIncident", "judge"]

SECTION = "autopilot"


class Exit(IntEnum):
    """How a drill ended."""

    RECOVERED = 0
    NOT_RECOVERED = 1
    USAGE = 2
    NOT_STEADY = 3
    FAULT_NOT_PROVEN = 4
    HARNESS_FAILED = 5
    ABORTED = 6


class Counts(BaseModel):
    """The requests of a drill by class of answer."""

    model_config = ConfigDict(frozen=True)

    total: int = 0
    good: int = 0
    degraded: int = 0
    failed: int = 0
    wrong: int = 0
    unverified: int = 0


class Durations(BaseModel):
    """Seconds, each [at least, at most]; None for what did not happen."""

    model_config = ConfigDict(frozen=True)

    detect: tuple[float, float] | None = None
    act: tuple[float, float] | None = None
    mitigate: tuple[float, float] | None = None
    recover: tuple[float, float] | None = None


class OpenedIncident(BaseModel):
    """An incident that the system opened during the drill."""

    model_config = ConfigDict(frozen=True)

    cause: str
    subject: str


class DrillFindings(BaseModel):
    """The results that the timings control computed: the section `autopilot` of a journal."""

    model_config = ConfigDict(frozen=True)

    spec: DrillSpec
    timings: Mapping[str, tuple[float, float] | None]
    durations: Durations
    requests: Counts
    latency_seconds: Mapping[str, float]
    incidents: tuple[OpenedIncident, ...]
    remedies: tuple[str, ...] = ()  # that were started during the drill, in order
    escalations: int = 0  # incidents of which people were notified
    unlogged: int = 0  # requests that were answered, and whose answers the prediction log lacks afterwards
    missing_work: tuple[str, ...] = ()  # of the retrain or release that the drill started, at the end
    unproven: tuple[str, ...]
    outstanding_leases: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The exit code and one sentence why. `findings` is None when the journal holds none."""

    exit: Exit
    reason: str
    findings: DrillFindings | None = None


def judge(journal: Mapping[str, Any] | None) -> Judgement:
    """Judge a finished drill by its journal alone. `journal` is None when there is none."""
    if journal is None:
        return Judgement(Exit.HARNESS_FAILED, "the experiment left no journal")
    findings = _findings(journal)
    unmet = _judge_conduct(journal, findings)
    if unmet is not None:
        return Judgement(*unmet, findings)
    assert findings is not None
    unmet = _judge_harness(findings)
    if unmet is None:
        unmet = _judge_unhealable(findings) if findings.spec.unhealable else _judge_service(journal, findings)
    if unmet is not None:
        return Judgement(*unmet, findings)
    recover = findings.durations.recover
    took = "nothing broke and nothing was reported" if recover is None else f"recovered in {recover[1]:.1f} s at most"
    if findings.spec.fault and findings.spec.unaffected:
        of_requests = findings.spec.indicator is Indicator.REQUESTS
        took = "no client noticed the fault" + ("" if of_requests else f"; {took}")
    return Judgement(Exit.RECOVERED, took, findings)


Unmet = tuple[Exit, str]


def _findings(journal: Mapping[str, Any]) -> DrillFindings | None:
    try:
        return DrillFindings.model_validate(journal[SECTION])
    except (KeyError, ValidationError):
        return None


def _judge_conduct(journal: Mapping[str, Any], findings: DrillFindings | None) -> Unmet | None:
    """Whether the experiment ran as written."""
    if journal.get("status") in ("interrupted", "aborted"):
        return Exit.ABORTED, f"the experiment was {journal['status']}"
    before = (journal.get("steady_states") or {}).get("before")
    if before is None:
        return Exit.HARNESS_FAILED, "the journal has no steady state from before the fault"
    if not before["steady_state_met"]:
        return Exit.NOT_STEADY, f"steady state not met before the fault: {_last_probe(before)}"
    if findings is None:
        return Exit.HARNESS_FAILED, "the journal has no readable timings; the timings control did not finish"
    failed = [run for run in _activities(journal) if run.get("status") != "succeeded"]
    if failed:
        return Exit.HARNESS_FAILED, f"the step {failed[0]['activity']['name']!r} failed: {_why(failed[0])}"
    return None


def _judge_harness(findings: DrillFindings) -> Unmet | None:
    """Whether the record is sufficient for a verdict."""
    if findings.spec.fault and (findings.unproven or findings.timings.get("t0") is None):
        missing = ", ".join(findings.unproven) or "no proof was attempted"
        return Exit.FAULT_NOT_PROVEN, f"the fault was not proven active: {missing}"
    requests, wanted = findings.requests, findings.spec.limits.requests_min
    if requests.total < wanted:
        return Exit.HARNESS_FAILED, f"expected at least {wanted} requests, found {requests.total}: too little load"
    if requests.unverified:
        return Exit.HARNESS_FAILED, f"{requests.unverified} answers came from models without reference answers"
    if findings.outstanding_leases:
        return (
            Exit.HARNESS_FAILED,
            f"{findings.outstanding_leases} faults are still active; the reaper goes on undoing them",
        )
    return None


def _judge_unhealable(findings: DrillFindings) -> Unmet:
    """A drill that nothing heals: "not recovered" once a remedy was tried and people were notified; else no verdict."""
    if findings.durations.recover is not None:
        return Exit.HARNESS_FAILED, "nothing can heal this fault, and service was found to be restored"
    if not findings.remedies:
        return Exit.HARNESS_FAILED, "expected a remedy to be tried before people are notified, found no attempt"
    if not findings.escalations:
        return (
            Exit.HARNESS_FAILED,
            f"expected people to be notified after {len(findings.remedies)} attempts, found none",
        )
    tried = ", ".join(dict.fromkeys(findings.remedies))
    return Exit.NOT_RECOVERED, f"not restored, as nothing can; {tried} was tried, and people were notified"


def _judge_service(journal: Mapping[str, Any], findings: DrillFindings) -> Unmet | None:
    """Whether the system did what the drill promises."""
    limits, requests = findings.spec.limits, findings.requests
    if requests.wrong > limits.wrong_max:
        return Exit.NOT_RECOVERED, f"{requests.wrong} answers were wrong, at most {limits.wrong_max} may be"
    if requests.failed > limits.failed_max:
        return Exit.NOT_RECOVERED, f"{requests.failed} requests failed, at most {limits.failed_max} may"
    if findings.unlogged:
        return Exit.NOT_RECOVERED, f"{findings.unlogged} requests were answered and are not in the prediction log"
    if findings.missing_work:
        return Exit.NOT_RECOVERED, f"its work was not done exactly once: {'; '.join(findings.missing_work)}"
    return _judge_promise(findings) or _judge_after(journal)


def _judge_promise(findings: DrillFindings) -> Unmet | None:
    if findings.spec.quiet and findings.spec.indicator is Indicator.BATCH:
        return _judge_quiet(findings) or _judge_recovery(findings)
    if not findings.spec.fault or findings.spec.quiet:
        return _judge_quiet(findings)
    forbidden = sorted(set(findings.spec.forbidden_remedies) & set(findings.remedies))
    if forbidden:
        return Exit.NOT_RECOVERED, f"a remedy was used that cannot help against this fault: {', '.join(forbidden)}"
    if findings.spec.unaffected:
        unmet = _judge_unaffected(findings)
        return unmet if findings.spec.indicator is Indicator.REQUESTS else unmet or _judge_recovery(findings)
    return _judge_recovery(findings) or _judge_limits(findings) or _judge_remedies(findings)


def _judge_unaffected(findings: DrillFindings) -> Unmet | None:
    """Whether no client noticed the fault, and the expected incident was opened and treated."""
    spec, degraded = findings.spec, findings.requests.degraded
    if degraded:
        return Exit.NOT_RECOVERED, f"clients noticed the fault: {degraded} answers were degraded"
    if spec.causes and findings.timings.get("t2") is None:
        found = ", ".join(sorted({incident.cause for incident in findings.incidents})) or "none"
        return Exit.NOT_RECOVERED, f"expected an incident of {', '.join(spec.causes)}, found {found}"
    return _judge_limits(findings) or _judge_remedies(findings)


def _judge_limits(findings: DrillFindings) -> Unmet | None:
    """Whether detection and mitigation were in time, where the drill limits them."""
    limits, durations = findings.spec.limits, findings.durations
    for done, took, allowed in (
        ("detected", durations.detect, limits.detection_seconds),
        ("mitigated", durations.mitigate, limits.mitigation_seconds),
    ):
        if allowed is not None and (took is None or took[1] > allowed):
            found = "never" if took is None else f"in {took[1]:.1f} s"
            return Exit.NOT_RECOVERED, f"{done} {found}, at most {allowed:.1f} s are allowed"
    return None


def _judge_recovery(findings: DrillFindings) -> Unmet | None:
    """Whether service was restored in time and every step was recorded."""
    recover, allowed = findings.durations.recover, findings.spec.limits.recovery_seconds
    if findings.timings.get("t1") is None:
        return Exit.HARNESS_FAILED, "the fault was active, but the indicator was not breached"
    if recover is None:
        return Exit.NOT_RECOVERED, "service was not restored while the drill watched"
    if recover[1] > allowed:
        return Exit.NOT_RECOVERED, f"recovered in {recover[1]:.1f} s, at most {allowed:.1f} s are allowed"
    by_itself = findings.spec.reflex or findings.spec.quiet
    needed = ("t4",) if by_itself else ("t2", "t3", "t4")
    missing = [name for name in needed if findings.timings.get(name) is None]
    if missing:
        return Exit.HARNESS_FAILED, f"service is restored, but the record has no {', '.join(missing)}"
    return None


def _judge_remedies(findings: DrillFindings) -> Unmet | None:
    """Whether one of the expected remedies was used."""
    expected = findings.spec.remedies
    if expected and not set(expected) & set(findings.remedies):
        used = ", ".join(findings.remedies) or "none"
        return Exit.NOT_RECOVERED, f"recovered without one of its remedies {', '.join(expected)}; used: {used}"
    return None


def _judge_quiet(findings: DrillFindings) -> Unmet | None:
    """Whether a drill without a fault found no incident and no degraded answer."""
    if findings.incidents:
        causes = ", ".join(sorted({incident.cause for incident in findings.incidents}))
        return Exit.NOT_RECOVERED, f"nothing harmful was done, but incidents were reported: {causes}"
    if findings.requests.degraded:
        return Exit.NOT_RECOVERED, f"nothing harmful was done, but {findings.requests.degraded} answers were degraded"
    return None


def _judge_after(journal: Mapping[str, Any]) -> Unmet | None:
    after = journal["steady_states"].get("after")
    if after is None:
        return Exit.HARNESS_FAILED, "the journal has no steady state from after the fault"
    if not after["steady_state_met"]:
        return Exit.NOT_RECOVERED, f"steady state not met after the fault: {_last_probe(after)}"
    return None


def _activities(journal: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [*(journal.get("run") or ()), *(journal.get("rollbacks") or ())]


def _last_probe(state: Mapping[str, Any]) -> str:
    """The deciding probe and its output: chaoslib stops at the first one outside its tolerance."""
    probes = state.get("probes") or []
    if not probes:
        return "no probe ran"
    return f"{probes[-1]['activity']['name']!r} ({_why(probes[-1])})"


def _why(run: Mapping[str, Any]) -> str:
    exception = run.get("exception")
    return exception[-1].strip() if exception else f"output {run.get('output')!r}"
