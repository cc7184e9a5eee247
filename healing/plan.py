"""The next step of an incident: diagnosis, order of remedies, budgets, cool-downs and flap detection, without I/O.

`plan` decides, an executor acts. The executor records each step before and after it, so that another process can go on
from the record at any point.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from healing.approval import Approval, approval_step, refused_remedies
from healing.diagnosis import Confirmation, Presence
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.limits import Limits
from healing.moment import Moment, elapsed_seconds
from healing.steps import (
    Cancel,
    Confirm,
    Dismiss,
    Escalate,
    Finish,
    Recover,
    Remind,
    Resume,
    Start,
    Step,
    Verify,
    Wait,
)
from healing.verdict import Outcome, Verdict

_SHORT_SECONDS = 10.0


class Carrier(StrEnum):
    """State of the process that carries the running attempt."""

    ALIVE = "alive"
    LOST = "lost"  # it ended, or its lease was taken over, without recording an end
    UNKNOWN = "unknown"  # it cannot be asked now, for example while Prefect is down


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the step of one incident depends on, besides the incident itself.

    `earlier` are the attempts of earlier incidents of the same (pipeline, cause, subject). `order` is what policy
    allows, in the order to try. `present_seconds` says for how long `confirmation` has been the same without a break.
    """

    confirmation: Confirmation
    order: Sequence[Remedy]
    present_seconds: float = 0.0
    earlier: Sequence[Attempt] = ()
    attempts_today: int = 0  # of the cause, all subjects
    odds: Mapping[Remedy, float] = field(default_factory=dict)  # that each remedy comes first, if the order is learned
    recoveries: Sequence[Moment] = ()  # ends of earlier incidents of the same key that recovered
    carrier: Carrier = Carrier.UNKNOWN
    verification: Verdict | None = None  # the latest observation after the remedy was applied
    verified_seconds: float = 0.0  # for how long it has passed without a break
    run_seconds_max: Mapping[Remedy, float] = field(default_factory=dict)  # a run that takes longer is cancelled
    explained_by: Cause | None = None  # a common cause, for which this incident is only a symptom
    explanation_reported: bool = False  # the common cause is itself reported now, so that it has an incident
    blocked_by: str | None = None  # why no remedy may start now: a paused pipeline, another attempt
    held_back: Mapping[Remedy, str] = field(default_factory=dict)  # remedies in a maintenance window, and why
    approval_needed: Collection[Remedy] = ()  # remedies that a person has to approve before they start
    approvals: Sequence[Approval] = ()  # of this incident
    reminded: Moment | None = None  # when people were last notified of an escalated incident


def plan(incident: Incident, view: View, limits: Limits, now: Moment) -> Step:
    """The next step of `incident`.

    An incident that recovered or was dismissed has none (Wait). The same arguments give the same step; every step, once
    recorded, changes the arguments, so that repeated calls end in RECOVERED, DISMISSED or ESCALATED.
    """
    if incident.status in (Status.RECOVERED, Status.DISMISSED):
        return Wait("the incident is closed")
    if incident.status is Status.ESCALATED:
        return _after_escalation(view, limits, now)
    running = incident.running_attempt
    if running is not None:
        return _carry_on(running, view, limits, now)
    if incident.attempts and incident.attempts[-1].outcome is AttemptOutcome.SUCCEEDED:
        return Recover(incident.attempts[-1].note or "the last remedy worked")
    return _diagnose(incident, view, limits) or _treat(incident, view, limits, now)


def _after_escalation(view: View, limits: Limits, now: Moment) -> Step:
    """People are at work: only notice the end, and remind as policy says."""
    if view.confirmation.presence is Presence.ABSENT:
        return _recover_after(limits.calm_seconds, view, "over after its escalation")
    silent_seconds = 0.0 if view.reminded is None else elapsed_seconds(view.reminded, now)
    is_due = limits.remind_seconds is not None and silent_seconds >= limits.remind_seconds
    if is_due and view.confirmation.presence is Presence.CONFIRMED:
        return Remind(f"still there: {view.confirmation.reason}")
    return Wait("a person was notified")


def _recover_after(seconds: float, view: View, what: str) -> Step:
    """Recover once the problem has been gone for `seconds`: a short pause is not its end."""
    if view.present_seconds >= seconds:
        return Recover(f"{what}: {view.confirmation.reason}")
    left_seconds = seconds - view.present_seconds
    reason = f"gone for {view.present_seconds:.0f} s, {seconds:.0f} s are needed"
    return Wait(reason, is_short=left_seconds <= _SHORT_SECONDS)


def _carry_on(attempt: Attempt, view: View, limits: Limits, now: Moment) -> Step:
    """An attempt is on record as running: its remedy is being applied, or is applied and being verified."""
    if attempt.applied is None:
        return _await_carrier(attempt, view, now)
    verdict = view.verification
    if verdict is not None and verdict.outcome is Outcome.FAIL:
        return Finish(attempt.number, AttemptOutcome.FAILED, verdict.reason)
    if verdict is not None and verdict.outcome is Outcome.PASS and view.verified_seconds >= limits.hold_seconds:
        return Finish(attempt.number, AttemptOutcome.SUCCEEDED, verdict.reason)
    if elapsed_seconds(attempt.applied, now) > limits.verify_seconds_max:
        seen = "no observation" if verdict is None else f"{verdict.outcome}: {verdict.reason}"
        reason = f"not verified within {limits.verify_seconds_max:.0f} s ({seen})"
        return Finish(attempt.number, AttemptOutcome.FAILED, reason)
    return Verify(attempt.number)


def _await_carrier(attempt: Attempt, view: View, now: Moment) -> Step:
    """Liveness decides, not age: while its carrier lives, an attempt is not given up, only stopped."""
    match view.carrier:
        case Carrier.LOST:
            return Resume(attempt.number)
        case Carrier.UNKNOWN:
            return Wait(f"the carrier of {attempt.remedy} cannot be asked now")
        case Carrier.ALIVE:
            limit = view.run_seconds_max.get(attempt.remedy)
            if limit is not None and elapsed_seconds(attempt.started, now) > limit:
                return Cancel(attempt.number, f"{attempt.remedy} has run for more than {limit:.0f} s")
            return Wait(f"{attempt.remedy} is being applied")


def _diagnose(incident: Incident, view: View, limits: Limits) -> Step | None:
    """The step that the signals alone decide; None if the problem is confirmed and waits for a remedy."""
    match view.confirmation.presence:
        case Presence.INCONCLUSIVE:
            return Wait(view.confirmation.reason)
        case Presence.ABSENT:
            return _end_absent(incident, view, limits)
        case Presence.CONFIRMED:
            if view.explained_by is not None and view.explained_by is not incident.cause:
                return _treat_symptom(incident, view, limits)
            return Confirm(view.confirmation.reason) if incident.status is Status.OPEN else None


def _treat_symptom(incident: Incident, view: View, limits: Limits) -> Step | None:
    """Wait while the common cause is treated; None if remedies are left that help against a common cause.

    It stays open, because it may outlast its cause: a worker that died too often on a full disk needs a restart. A
    common cause that nobody reports is nobody's incident, so that this one has to notify people.
    """
    symptom = f"a symptom of {view.explained_by}"
    if view.explanation_reported:
        return Wait(symptom)
    if incident.status is Status.OPEN:
        return Confirm(view.confirmation.reason)
    if _remedies_left(incident, view):
        return None
    if view.present_seconds < limits.verify_seconds_max:
        return Wait(symptom)
    return Escalate(f"{symptom} that lasts, and policy has no remedy for both")


def _end_absent(incident: Incident, view: View, limits: Limits) -> Step:
    if incident.status is Status.OPEN:
        return Dismiss(view.confirmation.reason)
    return _recover_after(limits.hold_seconds, view, "gone without a further remedy")


def _treat(incident: Incident, view: View, limits: Limits, now: Moment) -> Step:
    """Choose the remedy, within the budgets. A pause needs none: it comes last, once, before people are notified."""
    tried = tried_attempts(incident, view, limits, now)
    exceeded = _exceeded(incident, view, limits, tried, now)
    left = _remedies_left(incident, view)
    ready = [each for each in left if each not in view.held_back]
    if incident.attempts and incident.attempts[-1].remedy is Remedy.PAUSE_PIPELINE:
        reason = exceeded or f"policy has no further remedy for {incident.cause}"
        return Escalate(f"{reason}; {incident.attempts[-1].note}")
    if exceeded is not None and Remedy.PAUSE_PIPELINE not in ready:
        return Escalate(exceeded)
    remedy = _next_remedy(ready, tried) if exceeded is None else Remedy.PAUSE_PIPELINE
    if remedy is None or remedy is Remedy.ESCALATE:
        held = [view.held_back[each] for each in left if each in view.held_back]
        if held:
            return Wait(held[0])
        why = "has no further remedy for" if remedy is None else "escalates"
        return Escalate(f"policy {why} {incident.cause}")
    return _wait_before(remedy, incident, view, limits, tried, now) or Start(remedy)


def _wait_before(
    remedy: Remedy, incident: Incident, view: View, limits: Limits, tried: Sequence[Attempt], now: Moment
) -> Step | None:
    """The step as long as the chosen remedy may not start yet; None when it may."""
    if view.blocked_by is not None:
        return Wait(view.blocked_by)
    if remedy in view.approval_needed:
        step = approval_step(len(incident.attempts) + 1, remedy, view.approvals, limits, now)
        if step is not None:
            return step
    rest = rest_seconds([attempt for attempt in tried if attempt.remedy is remedy], limits, now)
    if rest > 0:
        return Wait(f"{remedy} starts again in {rest:.0f} s, after its cool-down")
    return None


def _exceeded(incident: Incident, view: View, limits: Limits, tried: Sequence[Attempt], now: Moment) -> str | None:
    """Which budget is used up; None while each has something left."""
    flaps = [at for at in view.recoveries if elapsed_seconds(at, now) < limits.window_seconds]
    window = f"{limits.window_seconds / 3_600:g} h"
    if len(flaps) >= limits.recoveries_max:
        return f"flapping: recovered {len(flaps)} times within {window}"
    if len(tried) >= limits.attempts_max:
        return f"{len(tried)} attempts within {window}, the budget is {limits.attempts_max}"
    if view.attempts_today >= limits.attempts_daily_max:
        return f"{view.attempts_today} attempts for {incident.cause} today, the cap is {limits.attempts_daily_max}"
    return None


def _remedies_left(incident: Incident, view: View) -> list[Remedy]:
    """The allowed remedies, without those that were futile for this incident or that a person refused."""
    futile = {attempt.remedy for attempt in incident.attempts if attempt.outcome is AttemptOutcome.FUTILE}
    futile |= refused_remedies(view.approvals)
    return [remedy for remedy in view.order if remedy not in futile]


def _next_remedy(allowed: Sequence[Remedy], tried: Sequence[Attempt]) -> Remedy | None:
    """The allowed remedy with the fewest attempts, the first in order among equals.

    A remedy that succeeded before and did not last counts as tried.
    """
    return min(allowed, key=lambda remedy: sum(attempt.remedy is remedy for attempt in tried), default=None)


def tried_attempts(incident: Incident, view: View, limits: Limits, now: Moment) -> list[Attempt]:
    """The attempts that count against the budget: those of this incident, and of earlier ones within the window."""
    recent = [each for each in view.earlier if elapsed_seconds(each.started, now) < limits.window_seconds]
    return [attempt for attempt in (*recent, *incident.attempts) if attempt.remedy is not Remedy.ESCALATE]


def rest_seconds(tried: Sequence[Attempt], limits: Limits, now: Moment) -> float:
    """Seconds until a remedy with these attempts may start again; 0 before its first attempt."""
    if not tried:
        return 0.0
    since = min(elapsed_seconds(attempt.started, now) for attempt in tried)
    return max(0.0, limits.cooldown_seconds * 2.0 ** (len(tried) - 1) - since)
