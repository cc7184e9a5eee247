"""What the judge of a trial would have said of logged requests: the same guard, the same stages, one request after
another. Nothing is invented: what the log does not hold is named, and then the answer is that it cannot be said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from healing.promotion import Decision, Exposure, StageRule, judge_errors, judge_stage
from healing.release import Mode
from healing.trial_guard import TrialGuard
from healing.trial_rules import CheckState
from healing.verdict import Verdict

LOOK = timedelta(seconds=0.5)  # between two looks of the controller at a stage; the guard sees every request


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request of a stage, as far as the log knows it.

    `answer` is what the arm that was asked first said, None where it failed; `given` (in shadow) what the client was
    told; `slow` is None where that is not known or not evidence.
    """

    at: datetime
    challenger: bool
    failed: bool
    slow: bool | None
    answer: float | None
    given: float | None = None


@dataclass(frozen=True, slots=True)
class LoggedStage:
    """A stretch of the log under one release, and what its rule asks.

    `lacking` names what would be needed to pass it and is not in the log; `notes` what only some checks miss.
    """

    generation: int
    mode: Mode
    weight: float
    began: datetime
    ended: datetime
    rule: StageRule
    requests: Sequence[LoggedRequest]
    lacking: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """What would have been decided of one stage, after which of the challenger's requests, when, and why."""

    stage: LoggedStage
    decision: Decision
    request: int
    at: datetime
    reason: str
    checks: tuple[CheckState, ...] = ()


@dataclass(slots=True)
class _Seen:
    """Counts of one stage so far, and the first moment at which it was passed."""

    requests: int = 0
    errors: int = 0
    champion_requests: int = 0
    champion_errors: int = 0
    passed: tuple[int, datetime, Verdict] | None = field(default=None)

    def take(self, request: LoggedRequest) -> None:
        if request.challenger:
            self.requests += 1
            self.errors += request.failed
        else:
            self.champion_requests += 1
            self.champion_errors += request.failed


def replay(stages: Sequence[LoggedStage], guard: TrialGuard) -> tuple[Ruling, ...]:
    """A ruling for each stage up to the first ABORT; `guard` is new, and made for the first stage."""
    rulings: list[Ruling] = []
    for place, stage in enumerate(stages):
        if place:
            guard.next_stage(stage.mode, stage.weight)
        rulings.append(_rule(stage, guard))
        if rulings[-1].decision is Decision.ABORT:
            break
    return tuple(rulings)


def _rule(stage: LoggedStage, guard: TrialGuard) -> Ruling:
    """Harm ends a stage at once; one that is passed is watched on to its logged end, for evidence carries over."""
    seen = _Seen()
    looked = stage.began
    for request in stage.requests:
        seen.take(request)
        _feed(guard, request)
        alarm = guard.alarm()
        if alarm is not None:
            reason = f"{alarm.check.value}: {alarm.reason}"
            return Ruling(stage, Decision.ABORT, seen.requests, request.at, reason, guard.states())
        if request.at - looked >= LOOK and seen.passed is None:
            looked = request.at
            decision, verdict = judge_stage(_exposure(stage, seen, request.at), stage.rule)
            if decision is Decision.ABORT:
                reason = f"{verdict.check}: {verdict.reason}"
                return Ruling(stage, decision, seen.requests, request.at, reason, guard.states())
            if decision is Decision.PROMOTE:
                seen.passed = (seen.requests, request.at, verdict)
    return _ended(stage, seen, guard)


def _ended(stage: LoggedStage, seen: _Seen, guard: TrialGuard) -> Ruling:
    """The log of the stage is at its end without harm."""
    states = guard.states()
    alarm = guard.alarm()
    if alarm is not None:  # found when the last answers were settled
        reason = f"{alarm.check.value}: {alarm.reason}"
        return Ruling(stage, Decision.ABORT, seen.requests, stage.ended, reason, states)
    if stage.lacking:
        return Ruling(stage, Decision.INCONCLUSIVE, seen.requests, stage.ended, _told(stage.lacking), states)
    if seen.passed is not None:
        request, at, verdict = seen.passed
        return Ruling(stage, Decision.PROMOTE, request, at, verdict.reason, states)
    exposure = _exposure(stage, seen, stage.ended)
    decision, verdict = judge_stage(exposure, stage.rule)
    if decision is Decision.CONTINUE:
        reason = f"the log of this stage ends before a decision: {judge_errors(exposure, stage.rule).reason}"
        return Ruling(stage, Decision.CONTINUE, seen.requests, stage.ended, reason, states)
    return Ruling(stage, decision, seen.requests, stage.ended, verdict.reason, states)


def with_labels(ruling: Ruling, condemned: CheckState | None, at: datetime | None) -> Ruling:
    """The ruling once labels are heard too: those that were known by `at` condemn, if that was sooner than harm."""
    if condemned is None or at is None or (ruling.decision is Decision.ABORT and ruling.at <= at):
        return ruling
    known = sum(request.challenger and request.at <= at for request in ruling.stage.requests)
    reason = f"{condemned.check.value}: {condemned.reason}"
    return replace(ruling, decision=Decision.ABORT, request=known, at=at, reason=reason)


def _feed(guard: TrialGuard, request: LoggedRequest) -> None:
    if guard.mode is Mode.SHADOW:
        given = float("nan") if request.given is None else request.given
        guard.observe_pair(request.failed, request.slow, request.answer, given)
    else:
        guard.observe(request.challenger, request.failed, request.slow, request.answer)


def _exposure(stage: LoggedStage, seen: _Seen, now: datetime) -> Exposure:
    return Exposure(
        requests=seen.requests,
        errors=seen.errors,
        elapsed_seconds=(now - stage.began).total_seconds(),
        champion_requests=seen.champion_requests,
        champion_errors=seen.champion_errors,
    )


def _told(lacking: Sequence[str]) -> str:
    return f"it cannot be said: {'; '.join(lacking)}"
