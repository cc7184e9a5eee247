"""A candidate wins on the same rows only with a gain: false wins are as rare as `alpha` promises."""

import random

import pytest

from tasks.evaluation.clustered import DaySum
from tasks.training.comparison import ComparisonOutcome, ComparisonRule, compare, compare_no_worse, compare_several

SEEDS = 400
RULE = ComparisonRule(rows_min=500)


def gains(seed, gain, *, days=14, rows=200):
    generator = random.Random(seed)
    return [DaySum(rows, rows * (gain + generator.gauss(0, 0.02))) for _ in range(days)]


def test_a_candidate_without_a_gain_wins_no_more_often_than_alpha():
    wins = sum(compare("champion", gains(seed, 0.0), RULE).outcome is ComparisonOutcome.WIN for seed in range(SEEDS))
    assert wins / SEEDS <= RULE.alpha + 0.03


def test_a_better_candidate_wins():
    wins = sum(compare("champion", gains(seed, 0.03), RULE).outcome is ComparisonOutcome.WIN for seed in range(SEEDS))
    assert wins / SEEDS > 0.95


def test_a_worse_candidate_is_not_better():
    assert compare("champion", gains(1, -0.05), RULE).outcome is ComparisonOutcome.NOT_BETTER


@pytest.mark.parametrize("found", [{"days": 6}, {"rows": 10}])
def test_too_few_rows_or_days_are_inconclusive(found):
    compared = compare("champion", gains(1, 1.0, **found), RULE)
    assert compared.outcome is ComparisonOutcome.INCONCLUSIVE
    assert compared.gain is None


def test_the_interval_contains_the_gain():
    compared = compare("champion", gains(3, 0.01), RULE)
    assert compared.gain_lower < compared.gain < compared.gain_upper
    assert "champion" in compared.reason


def several(seed, gain, count, tolerated):
    rule = ComparisonRule(rows_min=500, alpha=0.01, tolerated=tolerated)
    candidates = {str(number): gains(1000 * seed + number, gain) for number in range(count)}
    return [each.outcome is ComparisonOutcome.WIN for each in compare_several("champion", candidates, rule).values()]


@pytest.mark.parametrize("count", [1, 8])
def test_any_of_several_candidates_whose_gain_is_tolerated_wins_no_more_often_than_alpha(count):
    false_wins = sum(any(several(seed, 0.001, count, tolerated=0.001)) for seed in range(SEEDS))
    assert false_wins / SEEDS <= 0.01 + 0.015


def test_a_better_one_of_several_is_found_and_more_of_them_cost_power():
    found = {count: sum(several(seed, 0.02, count, 0.001)[0] for seed in range(100)) for count in (1, 20)}
    assert 30 < found[20] < found[1]
    assert found[1] >= 70


def segments(seed, gain, count=12, **found):
    return {f"kind={number}": gains(1000 * seed + number, gain, **found) for number in range(count)}


def test_the_chance_that_any_segment_is_called_worse_without_a_loss_is_at_most_alpha():
    false_alarms = sum(
        any(c.blocks for c in compare_no_worse("champion", segments(seed, 0.0), RULE)) for seed in range(SEEDS)
    )
    assert false_alarms / SEEDS <= RULE.alpha + 0.03


def test_one_segment_that_got_worse_is_found_among_many_and_named():
    found = 0
    for seed in range(200):
        mixed = {**segments(seed, 0.02), "kind=bad": gains(seed, -0.05)}
        blocking = [c for c in compare_no_worse("champion", mixed, RULE) if c.blocks]
        found += [c.segment for c in blocking] == ["kind=bad"]
    assert found > 190
    assert blocking[0].outcome is ComparisonOutcome.WORSE
    assert "kind=bad" in blocking[0].reason


def test_a_tolerated_loss_is_not_worse():
    rule = ComparisonRule(rows_min=500, tolerated=0.2)
    [compared] = compare_no_worse("champion", {"": gains(1, -0.1)}, rule)
    assert compared.outcome is ComparisonOutcome.INCONCLUSIVE
    assert not compared.blocks


def test_a_segment_with_too_few_rows_is_inconclusive_and_blocks_nothing():
    [compared] = compare_no_worse("champion", {"kind=rare": gains(1, -1.0, rows=10)}, RULE)
    assert compared.outcome is ComparisonOutcome.INCONCLUSIVE
    assert not compared.blocks
    assert "kind=rare" in compared.reason


def test_equal_predictions_are_neither_better_nor_worse():
    [compared] = compare_no_worse("champion", {"": [DaySum(200, 0.0)] * 14}, RULE)
    assert compared.outcome is ComparisonOutcome.INCONCLUSIVE
