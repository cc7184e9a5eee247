"""A candidate wins on the same rows or it does not: wins without a gain are as rare as promised."""

import random

import pytest

from healing.clustered import DaySum
from healing.comparison import Comparison, ComparisonRule, compare

SEEDS = 400
RULE = ComparisonRule(rows_min=500)


def gains(seed, gain, *, days=14, rows=200):
    generator = random.Random(seed)
    return [DaySum(rows, rows * (gain + generator.gauss(0, 0.02))) for _ in range(days)]


def test_a_candidate_without_a_gain_wins_no_more_often_than_alpha():
    wins = sum(compare("champion", gains(seed, 0.0), RULE).outcome is Comparison.WIN for seed in range(SEEDS))
    assert wins / SEEDS <= RULE.alpha + 0.03


def test_a_better_candidate_wins():
    wins = sum(compare("champion", gains(seed, 0.03), RULE).outcome is Comparison.WIN for seed in range(SEEDS))
    assert wins / SEEDS > 0.95


def test_a_worse_candidate_is_not_better():
    assert compare("champion", gains(1, -0.05), RULE).outcome is Comparison.NOT_BETTER


@pytest.mark.parametrize("found", [{"days": 6}, {"rows": 10}])
def test_too_little_to_compare_on_is_inconclusive(found):
    compared = compare("champion", gains(1, 1.0, **found), RULE)
    assert compared.outcome is Comparison.INCONCLUSIVE
    assert compared.gain is None


def test_the_interval_holds_the_gain():
    compared = compare("champion", gains(3, 0.01), RULE)
    assert compared.gain_lower < compared.gain < compared.gain_upper
    assert "champion" in compared.reason
