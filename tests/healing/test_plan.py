"""The plan of an incident: single decisions, and 10,000 simulated incidents on a simulated clock."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from healing.approval import Approval, ApprovalOutcome
from healing.diagnosis import Confirmation, Presence
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.limits import Limits
from healing.moment import Moment
from healing.plan import Carrier, View, plan
from healing.steps import (
    AskApproval,
    Cancel,
    Confirm,
    Dismiss,
    Escalate,
    Finish,
    Recover,
    Remind,
    Resume,
    Start,
    Verify,
    Wait,
)
from healing.verdict import Outcome, Verdict
from tests.healing.simulation import START, World, at, drawn_limits, simulate

LIMITS = Limits()
THERE = Confirmation(Presence.CONFIRMED, "seen")
GONE = Confirmation(Presence.ABSENT, "not seen")
UNSEEN = Confirmation(Presence.INCONCLUSIVE, "nobody answers")
LADDER = (Remedy.RESTART_WORKER, Remedy.ROLLBACK)


def incident(status=Status.DIAGNOSED, *attempts):
    return Incident("1", "flights", Cause.MODEL_FAILING, "abc", status, START, attempts=tuple(attempts))


def attempt(number, remedy, outcome, seconds=0.0, applied=None, note=""):
    moment = at(seconds)
    return Attempt(
        number,
        remedy,
        moment.wall,
        outcome,
        started_on=moment,
        applied=None if applied is None else at(applied),
        note=note,
    )


def verdict(outcome):
    return Verdict("service", outcome, "reason", 1)


def test_a_new_incident_is_confirmed_before_any_remedy():
    assert plan(incident(Status.OPEN), View(THERE, LADDER), LIMITS, at(0)) == Confirm("seen")


def test_what_was_never_confirmed_is_dismissed():
    assert plan(incident(Status.OPEN), View(GONE, LADDER), LIMITS, at(0)) == Dismiss("not seen")


@pytest.mark.parametrize("status", [Status.OPEN, Status.DIAGNOSED, Status.HEALING])
def test_an_inconclusive_signal_is_neither_recovery_nor_a_reason_to_act(status):
    assert isinstance(plan(incident(status), View(UNSEEN, LADDER, 1e6), LIMITS, at(0)), Wait)


def test_a_confirmed_problem_recovers_only_when_it_stays_gone():
    assert isinstance(plan(incident(), View(GONE, LADDER, LIMITS.hold_seconds - 0.1), LIMITS, at(0)), Wait)
    assert isinstance(plan(incident(), View(GONE, LADDER, LIMITS.hold_seconds), LIMITS, at(0)), Recover)


def symptom(**seen):
    return View(seen.pop("confirmation", THERE), seen.pop("order", ()), explained_by=Cause.RESOURCE_PRESSURE, **seen)


@pytest.mark.parametrize("status", [Status.OPEN, Status.DIAGNOSED])
def test_a_symptom_of_a_reported_common_cause_waits_for_its_end(status):
    view = symptom(order=LADDER, explanation_reported=True, present_seconds=1e6)
    assert plan(incident(status), view, LIMITS, at(0)) == Wait("a symptom of resource_pressure")


def test_a_symptom_that_outlasts_its_common_cause_is_treated():
    """A worker that died too often on a full disk stays aside when the disk has room again."""
    waiting = incident(Status.OPEN)
    assert isinstance(plan(waiting, symptom(order=LADDER, explanation_reported=True), LIMITS, at(0)), Wait)
    assert plan(waiting, View(THERE, LADDER), LIMITS, at(60)) == Confirm("seen")
    assert plan(incident(), View(THERE, LADDER), LIMITS, at(61)) == Start(Remedy.RESTART_WORKER)


def test_a_symptom_that_ends_with_its_common_cause_is_dismissed():
    assert plan(incident(Status.OPEN), symptom(confirmation=GONE), LIMITS, at(0)) == Dismiss("not seen")


def test_a_common_cause_that_nobody_reports_is_treated_by_what_helps_against_both():
    assert plan(incident(Status.OPEN), symptom(order=(Remedy.REPUBLISH,)), LIMITS, at(0)) == Confirm("seen")
    assert plan(incident(), symptom(order=(Remedy.REPUBLISH,)), LIMITS, at(1)) == Start(Remedy.REPUBLISH)


def test_a_common_cause_that_nobody_reports_and_nothing_treats_notifies_people_once_it_lasts():
    short, long = LIMITS.verify_seconds_max - 1, LIMITS.verify_seconds_max
    assert plan(incident(), symptom(present_seconds=short), LIMITS, at(0)) == Wait("a symptom of resource_pressure")
    step = plan(incident(), symptom(present_seconds=long), LIMITS, at(0))
    assert isinstance(step, Escalate)
    assert "resource_pressure" in step.reason


def test_the_mildest_remedy_comes_first():
    assert plan(incident(), View(THERE, LADDER), LIMITS, at(0)) == Start(Remedy.RESTART_WORKER)


def test_a_remedy_that_succeeded_before_and_did_not_last_counts_as_tried():
    earlier = (attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.SUCCEEDED),)
    assert plan(incident(), View(THERE, LADDER, earlier=earlier), LIMITS, at(69)) == Start(Remedy.ROLLBACK)


def test_attempts_outside_the_window_are_forgotten():
    earlier = (attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.SUCCEEDED),)
    later = at(LIMITS.window_seconds + 1)
    assert plan(incident(), View(THERE, LADDER, earlier=earlier), LIMITS, later) == Start(Remedy.RESTART_WORKER)


def test_a_futile_remedy_is_not_tried_again():
    tried = attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.FUTILE)
    assert plan(incident(Status.HEALING, tried), View(THERE, LADDER), LIMITS, at(1e3)) == Start(Remedy.ROLLBACK)


def test_the_budget_counts_attempts_of_earlier_incidents():
    earlier = [attempt(1, Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED, seconds) for seconds in (0, 200, 400)]
    assert isinstance(plan(incident(), View(THERE, LADDER, earlier=earlier), LIMITS, at(600)), Escalate)


def test_flapping_is_escalated_though_no_remedy_was_needed():
    flaps = [at(seconds) for seconds in (0, 100, 200)]
    step = plan(incident(), View(THERE, LADDER, recoveries=flaps), LIMITS, at(300))
    assert isinstance(step, Escalate)
    assert "flapping" in step.reason


def test_the_daily_cap_of_the_cause_holds():
    assert isinstance(plan(incident(), View(THERE, LADDER, attempts_today=24), LIMITS, at(0)), Escalate)


CONTAINED = (Remedy.QUARANTINE_BATCH, Remedy.RESTORE_SNAPSHOT, Remedy.PAUSE_PIPELINE)


def test_a_used_up_budget_ends_with_the_pause_that_policy_names():
    step = plan(incident(), View(THERE, CONTAINED, attempts_today=24), LIMITS, at(0))
    assert step == Start(Remedy.PAUSE_PIPELINE)
    held = View(THERE, CONTAINED, attempts_today=24, held_back={Remedy.PAUSE_PIPELINE: "maintenance until 06:00"})
    assert isinstance(plan(incident(), held, LIMITS, at(0)), Escalate)


def test_people_are_notified_at_once_after_a_pause_whatever_is_left():
    quarantine = attempt(1, Remedy.QUARANTINE_BATCH, AttemptOutcome.FAILED)
    for outcome in (AttemptOutcome.FUTILE, AttemptOutcome.FAILED):
        pause = attempt(2, Remedy.PAUSE_PIPELINE, outcome, 1, note="flights is paused by heal")
        step = plan(incident(Status.HEALING, quarantine, pause), View(THERE, CONTAINED), LIMITS, at(1e3))
        assert step == Escalate("policy has no further remedy for model_failing; flights is paused by heal")


def test_the_same_remedy_rests_longer_after_each_attempt():
    once = attempt(1, Remedy.ROLLBACK, AttemptOutcome.FAILED, 0)
    twice = attempt(2, Remedy.ROLLBACK, AttemptOutcome.FAILED, 40)
    only = (Remedy.ROLLBACK,)
    assert isinstance(plan(incident(Status.HEALING, once), View(THERE, only), LIMITS, at(29)), Wait)
    assert isinstance(plan(incident(Status.HEALING, once), View(THERE, only), LIMITS, at(31)), Start)
    assert isinstance(plan(incident(Status.HEALING, once, twice), View(THERE, only), LIMITS, at(99)), Wait)
    assert isinstance(plan(incident(Status.HEALING, once, twice), View(THERE, only), LIMITS, at(101)), Start)


def test_a_step_of_the_wall_clock_changes_no_cooldown():
    tried = attempt(1, Remedy.ROLLBACK, AttemptOutcome.FAILED, 0)
    jumped = replace(at(10), wall=START + timedelta(hours=2))
    step = plan(incident(Status.HEALING, tried), View(THERE, (Remedy.ROLLBACK,)), LIMITS, jumped)
    assert isinstance(step, Wait)


def test_a_living_carrier_is_waited_for_whatever_its_age():
    running = attempt(1, Remedy.RETRAIN, AttemptOutcome.RUNNING, 0)
    view = View(THERE, (Remedy.RETRAIN,), carrier=Carrier.ALIVE)
    assert isinstance(plan(incident(Status.HEALING, running), view, LIMITS, at(1e5)), Wait)
    unknown = replace(view, carrier=Carrier.UNKNOWN)
    assert isinstance(plan(incident(Status.HEALING, running), unknown, LIMITS, at(1e5)), Wait)


def test_a_run_that_takes_too_long_is_stopped_before_it_is_given_up():
    running = attempt(1, Remedy.RETRAIN, AttemptOutcome.RUNNING, 0)
    view = View(THERE, (Remedy.RETRAIN,), carrier=Carrier.ALIVE, run_seconds_max={Remedy.RETRAIN: 1_800})
    assert isinstance(plan(incident(Status.HEALING, running), view, LIMITS, at(1_801)), Cancel)


def test_a_lost_carrier_is_resumed_at_once():
    running = attempt(1, Remedy.ROLLBACK, AttemptOutcome.RUNNING, 0)
    view = View(THERE, LADDER, carrier=Carrier.LOST)
    assert plan(incident(Status.HEALING, running), view, LIMITS, at(0)) == Resume(1)


@pytest.mark.parametrize(
    ("seen", "held", "seconds", "step"),
    [
        (None, 0, 1, Verify(1)),
        (Outcome.PASS, 4.9, 5, Verify(1)),
        (Outcome.PASS, 5, 5, Finish(1, AttemptOutcome.SUCCEEDED, "reason")),
        (Outcome.FAIL, 0, 1, Finish(1, AttemptOutcome.FAILED, "reason")),
        (Outcome.INCONCLUSIVE, 0, 30, Verify(1)),
    ],
)
def test_an_applied_remedy_succeeds_only_after_it_was_seen_to_work_for_the_hold_time(seen, held, seconds, step):
    running = attempt(1, Remedy.ROLLBACK, AttemptOutcome.RUNNING, 0, applied=0)
    view = View(THERE, LADDER, verification=seen and verdict(seen), verified_seconds=held)
    assert plan(incident(Status.HEALING, running), view, LIMITS, at(seconds)) == step


def test_an_inconclusive_verification_is_no_success():
    running = attempt(1, Remedy.ROLLBACK, AttemptOutcome.RUNNING, 0, applied=0)
    view = View(THERE, LADDER, verification=verdict(Outcome.INCONCLUSIVE))
    step = plan(incident(Status.HEALING, running), view, LIMITS, at(LIMITS.verify_seconds_max + 1))
    assert isinstance(step, Finish)
    assert step.outcome is AttemptOutcome.FAILED


def test_nothing_starts_in_a_maintenance_window_and_escalation_still_happens():
    blocked = View(THERE, LADDER, blocked_by="maintenance until 06:00")
    assert plan(incident(), blocked, LIMITS, at(0)) == Wait("maintenance until 06:00")
    nothing = replace(blocked, order=())
    assert isinstance(plan(incident(), nothing, LIMITS, at(0)), Escalate)


def test_remedies_that_a_window_does_not_hold_back_still_start():
    held = View(THERE, LADDER, held_back={Remedy.RESTART_WORKER: "maintenance until 06:00"})
    assert plan(incident(), held, LIMITS, at(0)) == Start(Remedy.ROLLBACK)


def test_nobody_is_notified_while_a_remedy_that_is_left_is_only_held_back():
    futile = attempt(1, Remedy.ROLLBACK, AttemptOutcome.FUTILE)
    held = View(THERE, (*LADDER, Remedy.ESCALATE), held_back={Remedy.RESTART_WORKER: "maintenance until 06:00"})
    assert plan(incident(Status.HEALING, futile), held, LIMITS, at(1e3)) == Wait("maintenance until 06:00")


def approval(outcome=None, number=1, remedy=Remedy.RESTART_WORKER):
    return Approval(number, remedy, at(0), outcome, "ann" if outcome else "")


def test_a_remedy_that_needs_approval_is_asked_for_once_and_starts_when_a_person_approves():
    asking = View(THERE, LADDER, approval_needed={Remedy.RESTART_WORKER})
    assert plan(incident(), asking, LIMITS, at(0)) == AskApproval(1, Remedy.RESTART_WORKER)
    asked = replace(asking, approvals=(approval(),))
    assert plan(incident(), asked, LIMITS, at(5)) == Wait("restart_worker waits for its approval")
    approved = replace(asking, approvals=(approval(ApprovalOutcome.APPROVED),))
    assert plan(incident(), approved, LIMITS, at(1e6)) == Start(Remedy.RESTART_WORKER)


def test_a_remedy_without_approval_does_not_wait_for_that_of_another():
    assert plan(incident(), View(THERE, LADDER, approval_needed={Remedy.ROLLBACK}), LIMITS, at(0)) == Start(
        Remedy.RESTART_WORKER
    )


def test_a_refused_remedy_is_futile_for_the_incident():
    refused = View(
        THERE, LADDER, approval_needed={Remedy.RESTART_WORKER}, approvals=(approval(ApprovalOutcome.REFUSED),)
    )
    assert plan(incident(), refused, LIMITS, at(0)) == Start(Remedy.ROLLBACK)
    assert isinstance(plan(incident(), replace(refused, order=LADDER[:1]), LIMITS, at(0)), Escalate)


def test_an_approval_holds_for_one_attempt():
    tried = attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.FAILED)
    view = View(THERE, LADDER[:1], approval_needed=LADDER, approvals=(approval(ApprovalOutcome.APPROVED),))
    assert plan(incident(Status.HEALING, tried), view, LIMITS, at(1e3)) == AskApproval(2, Remedy.RESTART_WORKER)


def test_an_approval_that_does_not_arrive_in_time_escalates():
    asked = View(THERE, LADDER, approval_needed=LADDER, approvals=(approval(),))
    limit = LIMITS.approval_seconds_max
    assert isinstance(plan(incident(), asked, LIMITS, at(limit)), Wait)
    assert isinstance(plan(incident(), asked, LIMITS, at(limit + 1)), Escalate)


def test_no_approval_is_asked_for_while_nothing_may_start():
    blocked = View(THERE, LADDER, approval_needed=LADDER, blocked_by="the pipeline is paused")
    assert plan(incident(), blocked, LIMITS, at(0)) == Wait("the pipeline is paused")


def test_an_incident_that_is_over_does_not_wait_for_its_approval():
    over = View(GONE, LADDER, LIMITS.hold_seconds, approval_needed=LADDER, approvals=(approval(),))
    assert isinstance(plan(incident(), over, LIMITS, at(10)), Recover)


def test_an_escalated_incident_is_reported_once_and_closes_when_it_is_over():
    escalated = incident(Status.ESCALATED)
    view = View(THERE, LADDER, reminded=at(0))
    assert isinstance(plan(escalated, view, LIMITS, at(1e6)), Wait)
    reminding = replace(LIMITS, remind_seconds=600)
    assert isinstance(plan(escalated, view, reminding, at(599)), Wait)
    assert isinstance(plan(escalated, view, reminding, at(600)), Remind)
    short = replace(view, confirmation=GONE, present_seconds=LIMITS.calm_seconds - 1)
    assert isinstance(plan(escalated, short, LIMITS, at(1)), Wait)
    calm = replace(view, confirmation=GONE, present_seconds=LIMITS.calm_seconds)
    assert isinstance(plan(escalated, calm, LIMITS, at(1)), Recover)


def test_the_boot_clock_of_another_boot_is_not_compared():
    other = Attempt(1, Remedy.ROLLBACK, START, AttemptOutcome.FAILED, started_on=Moment(START, "other", 1e9))
    now = Moment(START + timedelta(seconds=31), "this", 5.0)
    assert isinstance(plan(incident(Status.HEALING, other), View(THERE, (Remedy.ROLLBACK,)), LIMITS, now), Start)


@pytest.mark.parametrize("seed", range(10))
def test_no_budget_breaks_and_nothing_stays_open_in_a_thousand_incidents(seed):
    """Ten seeds of 1,000 incidents, each with limits, approvals and maintenance windows of its own.

    Observers fail, carriers are lost, remedies work, fail or do not last, people approve, refuse or do not answer.
    """
    random = Random(seed)
    ends, answers, held = Counter(), Counter(), 0
    for _ in range(1_000):
        limits = drawn_limits(random)
        world = World.drawn(random)
        history = simulate(world, limits, random)
        last = history[-1]
        assert last.status in (Status.RECOVERED, Status.DISMISSED, Status.ESCALATED)
        assert world.seconds < 86_400, "an incident that takes a day is stuck"
        _check_budgets(history, limits)
        _check_approvals(history, world)
        assert all(not world.is_held_back(remedy, seconds) for remedy, seconds in world.starts)
        ends[last.status] += 1
        answers.update(each.outcome for asked in world.asked.values() for each in asked)
        held += world.waited_for_window
    assert min(ends[Status.RECOVERED], ends[Status.DISMISSED], ends[Status.ESCALATED]) > 20, ends
    assert min(answers[ApprovalOutcome.APPROVED], answers[ApprovalOutcome.REFUSED], answers[None]) > 20, answers
    assert held > 20


def _check_budgets(history, limits):
    """No window has more attempts than allowed; the same remedy rests; one attempt runs at a time."""
    attempts = sorted(
        (attempt for each in history for attempt in each.attempts), key=lambda attempt: attempt.started.boot_seconds
    )
    for index, later in enumerate(attempts):
        within = [
            each
            for each in attempts[: index + 1]
            if later.started.boot_seconds - each.started.boot_seconds < limits.window_seconds
        ]
        assert len(within) <= limits.attempts_max
        same = [each for each in within[:-1] if each.remedy is later.remedy]
        if same:
            rest = later.started.boot_seconds - same[-1].started.boot_seconds
            assert rest >= limits.cooldown_seconds * 2 ** (len(same) - 1)
    assert len(attempts) <= limits.attempts_daily_max  # a history takes less than a day
    assert all(attempt.outcome is not AttemptOutcome.RUNNING for attempt in attempts)


def _check_approvals(history, world):
    """Each attempt that needs one has its approval; nobody is asked twice; a refused remedy never starts."""
    for each in history:
        asked = world.asked.get(each.id, [])
        assert len({(one.number, one.remedy) for one in asked}) == len(asked)
        approved = {(one.number, one.remedy) for one in asked if one.outcome is ApprovalOutcome.APPROVED}
        needed = {(one.number, one.remedy) for one in each.attempts if one.remedy in world.approval_needed}
        assert needed <= approved
