"""A challenger passes a stage on evidence, and a bad one rarely does however often it is looked at."""

import random

import pytest

from healing.promotion import (
    Decision,
    Exposure,
    StageRule,
    abort_alpha_of,
    judge_abort,
    judge_promotion,
    judge_stage,
    requests_needed,
)
from healing.trial_rules import DEFAULT_RULES, CheckState, TrialCheck, share_of_alpha
from healing.verdict import Outcome

RULE = StageRule(requests_min=150, deadline_seconds=90, error_rate_tolerated=0.02)


@pytest.mark.parametrize(
    ("exposure", "decision"),
    [
        (Exposure(0, 0, 0), Decision.CONTINUE),
        (Exposure(149, 0, 10), Decision.CONTINUE),
        (Exposure(160, 0, 10), Decision.PROMOTE),
        (Exposure(160, 0, 100), Decision.PROMOTE),
        (Exposure(160, 2, 10), Decision.CONTINUE),
        (Exposure(160, 2, 90), Decision.INCONCLUSIVE),
        (Exposure(700, 2, 10), Decision.PROMOTE),
        (Exposure(5000, 0, 10, guard=Outcome.FAIL), Decision.ABORT),
        (Exposure(20, 20, 100, guard=Outcome.FAIL), Decision.ABORT),
        (Exposure(20, 0, 90), Decision.INCONCLUSIVE),
        (Exposure(0, 0, 90), Decision.NODATA),
        (Exposure(10, 10, 1, champion_requests=10), Decision.ABORT),
        (Exposure(10, 10, 1, champion_requests=10, champion_errors=9), Decision.CONTINUE),
    ],
)
def test_one_look(exposure, decision):
    assert judge_stage(exposure, RULE)[0] is decision


def test_enough_evidence_still_waits_for_the_minimum_exposure():
    patient = StageRule(requests_min=1000, deadline_seconds=90, error_rate_tolerated=0.02)
    assert judge_stage(Exposure(999, 0, 10), patient)[0] is Decision.CONTINUE
    assert judge_stage(Exposure(1000, 0, 10), patient)[0] is Decision.PROMOTE


def test_enough_requests_still_wait_for_the_minimum_time():
    patient = StageRule(requests_min=150, deadline_seconds=90, error_rate_tolerated=0.02, seconds_min=30)
    assert judge_stage(Exposure(500, 0, 29), patient)[0] is Decision.CONTINUE
    assert judge_stage(Exposure(500, 0, 30), patient)[0] is Decision.PROMOTE


def found(check, outcome=Outcome.FAIL, votes=True):
    return CheckState(check, outcome, 9.0, 7.0, 300, votes, f"numbers of {check}")


@pytest.mark.parametrize("check", TrialCheck)
def test_a_check_with_a_vote_that_found_harm_ends_the_stage_by_its_name_whatever_speaks_for_it(check):
    sound = tuple(found(other, Outcome.INCONCLUSIVE) for other in TrialCheck if other is not check)
    decision, verdict = judge_stage(Exposure(5_000, 0, 100, checks=(*sound, found(check))), RULE)
    assert (decision, verdict.check, verdict.reason) == (Decision.ABORT, check, f"numbers of {check}")
    assert verdict.statistic >= verdict.threshold


def test_a_check_without_a_vote_is_only_shown():
    shown = Exposure(5_000, 0, 10, checks=(found(TrialCheck.LATENCY, votes=False),))
    assert judge_stage(shown, RULE)[0] is Decision.PROMOTE


def test_evidence_that_comes_while_an_undecided_trial_is_held_decides_as_before():
    late = RULE.deadline_seconds + 60
    assert judge_stage(Exposure(100, 0, late), RULE)[0] is Decision.INCONCLUSIVE
    assert judge_stage(Exposure(200, 0, late), RULE)[0] is Decision.PROMOTE
    assert judge_stage(Exposure(200, 0, late, checks=(found(TrialCheck.QUALITY),)), RULE)[0] is Decision.ABORT


@pytest.mark.parametrize("exposure", [Exposure(0, 0, 0), Exposure(100, 1, 0), Exposure(900, 25, 0)])
def test_the_requests_that_are_needed_are_enough_and_one_less_is_not(exposure):
    needed = requests_needed(exposure, RULE)
    for further, decision in ((needed, Decision.PROMOTE), (needed - 1, Decision.CONTINUE)):
        assert judge_stage(Exposure(exposure.requests + further, exposure.errors, 0), RULE)[0] is decision


def test_what_has_earned_its_stage_needs_no_more_requests():
    assert requests_needed(Exposure(160, 0, 0), RULE) == 0


def test_the_stages_together_spend_what_the_checks_leave_of_alpha():
    checks = sum(share_of_alpha(check, DEFAULT_RULES) for check in DEFAULT_RULES.votes)
    assert 5 * abort_alpha_of(DEFAULT_RULES, 5) == pytest.approx(DEFAULT_RULES.alpha * (1 - checks))


def test_the_verdict_carries_its_numbers():
    verdict = judge_promotion(Exposure(160, 0, 1), RULE)
    assert verdict.observations == 160
    assert verdict.statistic >= verdict.threshold


def looks(seed, rate, requests):
    rng = random.Random(seed)
    errors = 0
    for seen in range(1, requests + 1):
        errors += rng.random() < rate
        if seen % 5 == 0:
            yield Exposure(seen, errors, 0)


def promotions(rate, seeds, requests):
    rule = StageRule(requests_min=1, deadline_seconds=90, error_rate_tolerated=0.02)
    return sum(any(judge_promotion(look, rule).passed for look in looks(seed, rate, requests)) for seed in seeds)


def test_a_model_at_the_tolerance_passes_at_most_one_time_in_twenty_over_all_looks():
    # 400 runs at a true chance of 5 % give 31 or more with a chance of 0.8 %.
    assert promotions(0.02, range(400), 800) <= 30


def test_a_model_with_a_quarter_of_the_tolerated_errors_passes_in_the_end():
    assert promotions(0.005, range(50), 3000) >= 45


@pytest.mark.parametrize("exposure", [Exposure(1, 2, 0), Exposure(5, -1, 0)])
def test_impossible_counts_are_refused(exposure):
    with pytest.raises(ValueError, match="errors <= requests"):
        judge_promotion(exposure, RULE)


def test_a_model_at_the_tolerance_is_hardly_ever_called_harmful_over_all_looks():
    alarms = sum(any(judge_abort(look, RULE).failed for look in looks(seed, 0.02, 800)) for seed in range(400))
    assert alarms <= 3  # 400 runs at a true chance of 0.1 % give 4 or more with a chance of 0.1 %


def test_harm_of_one_request_in_five_is_found_within_a_hundred_requests():
    found = sum(any(judge_abort(look, RULE).failed for look in looks(seed, 0.2, 100)) for seed in range(100))
    assert found >= 95
