"""Replay of logged requests through the trial guard: the decision on each stage, request by request.

Nothing is assumed about what the log does not hold: it is named, and the decision is INCONCLUSIVE.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from healing.promotion import Decision, Exposure, StageRule, judge_promotion, judge_stage
from healing.release import Mode
from healing.trial_guard import TrialGuard
from healing.trial_rules import CheckState
from healing.verdict import Verdict

POLL = timedelta(seconds=0.5)  # between two observations of a stage by the controller; the guard sees every request


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request of a stage, as far as the log knows it.

    `answer` is the answer of the arm that was asked first, None where it failed; `given` (in shadow) the answer that
    the client got; `slow` is None where it is not known or is no evidence.
    """

    at: datetime
    challenger: bool
    failed: bool
    slow: bool | None
    answer: float | None
    given: float | None = None


@dataclass(frozen=True, slots=True)
class LoggedStage:
    """The requests that were answered under one release, and what its stage requires.

    `missing` names what the log does not hold and the stage needs to pass; `notes` what only some checks miss.
    """

    generation: int
    mode: Mode
    weight: float
    began: datetime
    ended: datetime
    rule: StageRule
    requests: Sequence[LoggedRequest]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayedStage:
    """The decision of the replay on one stage: after which of the challenger's requests, when, and why."""

    stage: LoggedStage
    decision: Decision
    request: int
    at: datetime
    reason: str
    checks: tuple[CheckState, ...] = ()


@dataclass(slots=True)
class _Counts:
    """Counts of one stage so far, and when it was first passed."""

    requests: int = 0
    errors: int = 0
    champion_requests: int = 0
    champion_errors: int = 0
    passed: tuple[int, datetime, Verdict] | None = None

    def add(self, request: LoggedRequest) -> None:
        if request.challenger:
            self.requests += 1
            self.errors += request.failed
        else:
            self.champion_requests += 1
            self.champion_errors += request.failed


def replay(stages: Sequence[LoggedStage], guard: TrialGuard) -> tuple[ReplayedStage, ...]:
    """The decision on each stage up to the first ABORT; `guard` is new, and made for the first stage."""
    replayed: list[ReplayedStage] = []
    for place, stage in enumerate(stages):
        if place:
            guard.next_stage(stage.mode, stage.weight)
        replayed.append(_replay_stage(stage, guard))
        if replayed[-1].decision is Decision.ABORT:
            break
    return tuple(replayed)


def _replay_stage(stage: LoggedStage, guard: TrialGuard) -> ReplayedStage:
    """A failed check ends a stage at once; a passed stage is replayed to its end, because evidence carries over."""
    counts = _Counts()
    observed = stage.began
    for request in stage.requests:
        counts.add(request)
        _feed(guard, request)
        failed = guard.aborted_by
        if failed is not None:
            reason = f"{failed.check.value}: {failed.reason}"
            return ReplayedStage(stage, Decision.ABORT, counts.requests, request.at, reason, guard.states())
        if request.at - observed >= POLL and counts.passed is None:
            observed = request.at
            decision, verdict = judge_stage(_exposure(stage, counts, request.at), stage.rule)
            if decision is Decision.ABORT:
                reason = f"{verdict.check}: {verdict.reason}"
                return ReplayedStage(stage, decision, counts.requests, request.at, reason, guard.states())
            if decision is Decision.PROMOTE:
                counts.passed = (counts.requests, request.at, verdict)
    return _at_end(stage, counts, guard)


def _at_end(stage: LoggedStage, counts: _Counts, guard: TrialGuard) -> ReplayedStage:
    """The decision at the end of the stage's log, when no check failed before."""
    states = guard.states()
    failed = guard.aborted_by
    if failed is not None:  # found when `states` settled the last answers
        reason = f"{failed.check.value}: {failed.reason}"
        return ReplayedStage(stage, Decision.ABORT, counts.requests, stage.ended, reason, states)
    if stage.missing:
        reason = f"not known: {'; '.join(stage.missing)}"
        return ReplayedStage(stage, Decision.INCONCLUSIVE, counts.requests, stage.ended, reason, states)
    if counts.passed is not None:
        request, at, verdict = counts.passed
        return ReplayedStage(stage, Decision.PROMOTE, request, at, verdict.reason, states)
    exposure = _exposure(stage, counts, stage.ended)
    decision, verdict = judge_stage(exposure, stage.rule)
    if decision is Decision.CONTINUE:
        reason = f"the log of this stage ends before a decision: {judge_promotion(exposure, stage.rule).reason}"
        return ReplayedStage(stage, Decision.CONTINUE, counts.requests, stage.ended, reason, states)
    return ReplayedStage(stage, decision, counts.requests, stage.ended, verdict.reason, states)


def with_failed_labels(replayed: ReplayedStage, failed: CheckState, at: datetime) -> ReplayedStage:
    """The stage aborted because the check on labels failed at `at`, unless it was aborted before."""
    if replayed.decision is Decision.ABORT and replayed.at <= at:
        return replayed
    known = sum(request.challenger and request.at <= at for request in replayed.stage.requests)
    reason = f"{failed.check.value}: {failed.reason}"
    return replace(replayed, decision=Decision.ABORT, request=known, at=at, reason=reason)


def _feed(guard: TrialGuard, request: LoggedRequest) -> None:
    if guard.mode is Mode.SHADOW:
        given = float("nan") if request.given is None else request.given
        guard.observe_pair(request.failed, request.slow, request.answer, given)
    else:
        guard.observe(request.challenger, request.failed, request.slow, request.answer)


def _exposure(stage: LoggedStage, counts: _Counts, now: datetime) -> Exposure:
    return Exposure(
        requests=counts.requests,
        errors=counts.errors,
        elapsed_seconds=(now - stage.began).total_seconds(),
        champion_requests=counts.champion_requests,
        champion_errors=counts.champion_errors,
    )
