"""What ends an A/B test: a failed check at once, then the policy, then the time."""

from dataclasses import replace

import pytest

from healing.ab_decision import judge_ab
from healing.ab_effect import ABEffect, Client, effect_of
from healing.ab_rules import ABRules, Ends
from healing.promotion import Decision, Exposure, StageRule
from healing.trial_rules import CheckState, TrialCheck
from healing.verdict import Outcome

RULES = ABRules("revenue", 0.0, 1.0, effect_min=0.2, ends=Ends.WHEN_DECIDED, seconds_max=1000.0)
RULE = StageRule(requests_min=150, deadline_seconds=60.0, error_rate_tolerated=0.02)
ENOUGH = Exposure(400, 0, 500.0, champion_requests=400)
FAILED = CheckState(TrialCheck.LATENCY, Outcome.FAIL, 9.0, 7.0, 100, votes=True, reason="slow")


def effect(challenger: float, champion: float = 0.3, clients: int = 2_000) -> ABEffect:
    values = {True: challenger, False: champion}
    return effect_of((Client(n % 2 == 0, values[n % 2 == 0], values[n % 2 == 0]) for n in range(clients)), RULES, 0.5)


BETTER, WORSE, EQUAL = effect(0.9), effect(0.1), effect(0.3)


@pytest.mark.parametrize(("found", "decision"), [
    (BETTER, Decision.PROMOTE),
    (WORSE, Decision.ABORT),
    (EQUAL, Decision.ABORT),
    (effect(0.9, clients=30), Decision.CONTINUE),
    (None, Decision.CONTINUE),
])  # fmt: skip
def test_the_policy_ends_what_is_decided(found, decision):
    assert judge_ab(ENOUGH, RULE, RULES, found) == (decision, None)


@pytest.mark.parametrize("found", [BETTER, WORSE, EQUAL])
def test_what_a_person_ends_goes_on_when_it_is_decided(found):
    assert judge_ab(ENOUGH, RULE, replace(RULES, ends=Ends.BY_PERSON), found) == (Decision.CONTINUE, None)


def test_a_better_challenger_needs_an_error_rate_that_was_shown_to_be_low():
    assert judge_ab(replace(ENOUGH, requests=100), RULE, RULES, BETTER)[0] is Decision.CONTINUE
    assert judge_ab(replace(ENOUGH, errors=4), RULE, RULES, BETTER)[0] is Decision.CONTINUE


@pytest.mark.parametrize("ends", Ends)
def test_a_failed_check_aborts_whatever_the_outcome_says(ends):
    decision, verdict = judge_ab(replace(ENOUGH, checks=(FAILED,)), RULE, replace(RULES, ends=ends), BETTER)
    assert decision is Decision.ABORT
    assert verdict is not None
    assert verdict.check == TrialCheck.LATENCY


@pytest.mark.parametrize(("found", "decision"), [
    (effect(0.9, clients=30), Decision.INCONCLUSIVE),
    (None, Decision.NODATA),
    (effect(0.9, clients=0), Decision.NODATA),
])  # fmt: skip
def test_at_its_end_it_is_inconclusive(found, decision):
    assert judge_ab(replace(ENOUGH, elapsed_seconds=1000.0), RULE, RULES, found) == (decision, None)
