"""A decision names each considered remedy and why it was not chosen, and repeats while only numbers change."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from healing.common_cause import CommonCauses, consider_common_causes
from healing.decision import Fate, decision_of
from healing.diagnosis import Confirmation, Presence, ProblemSignal
from healing.incident import Attempt, AttemptOutcome, Cause, Incident, Remedy, Status
from healing.limits import Limits
from healing.moment import Moment
from healing.plan import View, plan
from healing.verdict import Outcome, Verdict

START = datetime(2013, 3, 1, tzinfo=UTC)
ORDER = (Remedy.RESTART_WORKER, Remedy.ROLLBACK)
LIMITS = Limits()


def moment(seconds: float) -> Moment:
    return Moment(START + timedelta(seconds=seconds), "boot", seconds)


def incident(*attempts: Attempt, status: Status = Status.HEALING) -> Incident:
    return Incident("i", "flights", Cause.MODEL_FAILING, "m", status, START, attempts=attempts)


def attempt(number: int, remedy: Remedy, outcome: AttemptOutcome, seconds: float = 0.0, note: str = "") -> Attempt:
    at = moment(seconds)
    ended = None if outcome is AttemptOutcome.RUNNING else at.wall
    return Attempt(number, remedy, at.wall, outcome, ended, note=note, started_on=at)


def view(presence: Presence = Presence.CONFIRMED, **changes: object) -> View:
    return replace(View(Confirmation(presence, "its worker died"), ORDER), **changes)


def decide(found: Incident, seen: View, seconds: float = 1.0, **changes):
    now = moment(seconds)
    step = plan(found, seen, LIMITS, now)
    return decision_of(found, seen, LIMITS, step, now, **{"common_causes": CommonCauses(), **changes})


def fates(decision):
    return {each.remedy: each.fate for each in decision.considered}


def test_a_start_names_the_chosen_remedy_its_order_and_the_others():
    decision = decide(incident(status=Status.DIAGNOSED), view())
    assert (decision.step, decision.remedy, decision.attempt) == ("start", Remedy.RESTART_WORKER, 1)
    assert fates(decision) == {Remedy.RESTART_WORKER: Fate.CHOSEN, Remedy.ROLLBACK: Fate.LATER}
    assert decision.reason == "the first in order of those with no attempt yet; the order is restart_worker, rollback"


def test_a_learned_order_is_recorded_with_its_odds():
    decision = decide(
        incident(status=Status.DIAGNOSED), view(odds={Remedy.RESTART_WORKER: 0.75, Remedy.ROLLBACK: 0.25})
    )
    assert [each.odds for each in decision.considered] == [0.75, 0.25]
    assert decision.reason.endswith("(learned)")


def test_a_futile_remedy_is_left_out_with_the_note_of_its_attempt():
    futile = attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.FUTILE, note="the worker is gone")
    decision = decide(incident(futile), view(), seconds=60)
    assert fates(decision) == {Remedy.RESTART_WORKER: Fate.FUTILE, Remedy.ROLLBACK: Fate.CHOSEN}
    assert decision.considered[0].reason == "the worker is gone"


def test_a_remedy_in_its_cool_down_is_named_with_its_rest():
    failed = attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.FAILED)
    decision = decide(incident(failed), view(order=ORDER[:1]), seconds=10)
    assert (decision.step, fates(decision)) == ("wait", {Remedy.RESTART_WORKER: Fate.COOLING_DOWN})
    assert decision.considered[0].reason == "may start again in 20 s"


def test_a_used_budget_excludes_every_remedy():
    tried = [attempt(n, Remedy.RESTART_WORKER, AttemptOutcome.FAILED) for n in (1, 2, 3)]
    decision = decide(incident(*tried), view(), seconds=500)
    assert decision.step == "escalate"
    assert set(fates(decision).values()) == {Fate.OVER_BUDGET}
    assert (decision.budget.attempts, decision.budget.attempts_max) == (3, 3)
    assert decision.considered[1].reason == "3 attempts within 1 h, the budget is 3"


def test_a_blocked_remedy_is_named_with_what_blocks_it():
    decision = decide(incident(status=Status.DIAGNOSED), view(blocked_by="waits for the retrain of incident j"))
    assert set(fates(decision).values()) == {Fate.BLOCKED}
    assert decision.considered[0].reason == "waits for the retrain of incident j"


def test_a_disabled_remedy_is_named():
    decision = decide(incident(status=Status.DIAGNOSED), view(order=ORDER[:1]), disabled=(Remedy.ROLLBACK,))
    assert fates(decision) == {Remedy.RESTART_WORKER: Fate.CHOSEN, Remedy.ROLLBACK: Fate.DISABLED}


def test_policy_that_escalates_chooses_a_person():
    decision = decide(incident(status=Status.DIAGNOSED), view(order=(Remedy.ESCALATE,)))
    assert fates(decision) == {Remedy.ESCALATE: Fate.CHOSEN}


def test_no_remedy_is_considered_before_the_problem_is_confirmed_or_while_an_attempt_runs():
    assert decide(incident(status=Status.OPEN), view()).considered == ()
    assert decide(incident(status=Status.DIAGNOSED), view(Presence.INCONCLUSIVE)).considered == ()
    running = attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.RUNNING)
    decision = decide(incident(running), view())
    assert (decision.considered, decision.remedy, decision.attempt) == ((), Remedy.RESTART_WORKER, 1)


def test_a_decision_repeats_while_only_numbers_change():
    failed = incident(attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.FAILED))
    only = view(order=ORDER[:1])
    first, later = (decide(failed, only, seconds) for seconds in (5, 25))
    assert first != later
    assert later.repeats(first)
    assert not decide(failed, only, 31).repeats(first)


def test_a_decision_changes_with_the_outcome_of_verification():
    applied = replace(attempt(1, Remedy.RESTART_WORKER, AttemptOutcome.RUNNING), applied=moment(1))
    seen = [
        decide(
            incident(applied), view(verification=None if outcome is None else Verdict("service", outcome, reason, 1))
        )
        for outcome, reason in (
            (None, ""),
            (Outcome.INCONCLUSIVE, "no worker"),
            (Outcome.PASS, "1 of 1"),
            (Outcome.PASS, "9 of 9"),
        )
    ]
    assert [each.verified for each in seen] == [None, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.PASS]
    assert [later.repeats(before) for before, later in pairwise(seen)] == [False, False, True]


def test_common_causes_are_recorded_with_how_many_models_are_affected():
    problems = [ProblemSignal(Cause.MODEL_FAILING, "m")]
    alone = consider_common_causes(Cause.MODEL_FAILING, ("m", "n"), problems)
    assert alone == CommonCauses((Cause.RESOURCE_PRESSURE, Cause.DISK_FULL), None, 1, 2)
    pressed = consider_common_causes(
        Cause.MODEL_FAILING, ("m", "n"), [*problems, ProblemSignal(Cause.RESOURCE_PRESSURE, "n")]
    )
    assert pressed.found is Cause.RESOURCE_PRESSURE
    assert consider_common_causes(Cause.NULL_SPIKE, ("m",), problems) == CommonCauses()
