"""A challenger passes a stage on evidence; a bad one rarely does, at any number of observations."""

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
def test_the_decision_of_one_observation(exposure, decision):
    assert judge_stage(exposure, RULE)[0] is decision


def test_enough_evidence_waits_for_the_minimum_of_requests():
    patient = StageRule(requests_min=1000, deadline_seconds=90, error_rate_tolerated=0.02)
    assert judge_stage(Exposure(999, 0, 10), patient)[0] is Decision.CONTINUE
    assert judge_stage(Exposure(1000, 0, 10), patient)[0] is Decision.PROMOTE


def test_enough_requests_wait_for_the_minimum_time():
    patient = StageRule(requests_min=150, deadline_seconds=90, error_rate_tolerated=0.02, seconds_min=30)
    assert judge_stage(Exposure(500, 0, 29), patient)[0] is Decision.CONTINUE
    assert judge_stage(Exposure(500, 0, 30), patient)[0] is Decision.PROMOTE


def state_of(check, outcome=Outcome.FAIL, votes=True):
    return CheckState(check, outcome, 9.0, 7.0, 300, votes, f"numbers of {check}")


@pytest.mark.parametrize("check", TrialCheck)
def test_a_failed_check_with_a_vote_aborts_whatever_the_other_evidence_is(check):
    sound = tuple(state_of(other, Outcome.INCONCLUSIVE) for other in TrialCheck if other is not check)
    decision, verdict = judge_stage(Exposure(5_000, 0, 100, checks=(*sound, state_of(check))), RULE)
    assert (decision, verdict.check, verdict.reason) == (Decision.ABORT, check, f"numbers of {check}")
    assert verdict.statistic >= verdict.threshold


def test_a_check_without_a_vote_is_only_shown():
    shown = Exposure(5_000, 0, 10, checks=(state_of(TrialCheck.LATENCY, votes=False),))
    assert judge_stage(shown, RULE)[0] is Decision.PROMOTE


def test_evidence_that_comes_while_a_stage_is_held_decides_as_before():
    late = RULE.deadline_seconds + 60
    assert judge_stage(Exposure(100, 0, late), RULE)[0] is Decision.INCONCLUSIVE
    assert judge_stage(Exposure(200, 0, late), RULE)[0] is Decision.PROMOTE
    assert judge_stage(Exposure(200, 0, late, checks=(state_of(TrialCheck.QUALITY),)), RULE)[0] is Decision.ABORT


@pytest.mark.parametrize("exposure", [Exposure(0, 0, 0), Exposure(100, 1, 0), Exposure(900, 25, 0)])
def test_the_needed_requests_are_enough_and_one_less_is_not(exposure):
    needed = requests_needed(exposure, RULE)
    for further, decision in ((needed, Decision.PROMOTE), (needed - 1, Decision.CONTINUE)):
        assert judge_stage(Exposure(exposure.requests + further, exposure.errors, 0), RULE)[0] is decision


def test_a_passed_stage_needs_no_more_requests():
    assert requests_needed(Exposure(160, 0, 0), RULE) == 0


def test_all_stages_together_spend_the_controllers_share_of_alpha():
    checks = sum(share_of_alpha(check, DEFAULT_RULES) for check in DEFAULT_RULES.votes)
    assert 5 * abort_alpha_of(DEFAULT_RULES, 5) == pytest.approx(DEFAULT_RULES.alpha * (1 - checks))


def test_the_verdict_carries_its_numbers():
    verdict = judge_promotion(Exposure(160, 0, 1), RULE)
    assert verdict.observations == 160
    assert verdict.statistic >= verdict.threshold


def observations(seed, rate, requests):
    rng = random.Random(seed)
    errors = 0
    for seen in range(1, requests + 1):
        errors += rng.random() < rate
        if seen % 5 == 0:
            yield Exposure(seen, errors, 0)


def promotions(rate, seeds, requests):
    rule = StageRule(requests_min=1, deadline_seconds=90, error_rate_tolerated=0.02)
    return sum(any(judge_promotion(each, rule).passed for each in observations(seed, rate, requests)) for seed in seeds)


def test_a_model_at_the_tolerance_passes_in_at_most_5_percent_of_stages():
    # 400 runs at a true probability of 5 % give 31 or more with a probability of 0.8 %.
    assert promotions(0.02, range(400), 800) <= 30


def test_a_model_with_a_quarter_of_the_tolerated_errors_passes_at_last():
    assert promotions(0.005, range(50), 3000) >= 45


@pytest.mark.parametrize("exposure", [Exposure(1, 2, 0), Exposure(5, -1, 0)])
def test_impossible_counts_are_refused(exposure):
    with pytest.raises(ValueError, match="errors <= requests"):
        judge_promotion(exposure, RULE)


def test_a_model_at_the_tolerance_is_hardly_ever_aborted_over_all_observations():
    aborts = sum(any(judge_abort(each, RULE).failed for each in observations(seed, 0.02, 800)) for seed in range(400))
    assert aborts <= 3  # 400 runs at a true probability of 0.1 % give 4 or more with a probability of 0.1 %


def test_an_error_rate_of_20_percent_is_aborted_within_100_requests():
    found = sum(any(judge_abort(each, RULE).failed for each in observations(seed, 0.2, 100)) for seed in range(100))
    assert found >= 95
