"""A candidate wins on the same rows or it does not: wins without a gain are as rare as promised."""

import random

import pytest

from healing.clustered import DaySum
from healing.comparison import Comparison, ComparisonRule, compare, compare_no_worse

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


def segments(seed, gain, count=12, **found):
    return {f"kind={number}": gains(1000 * seed + number, gain, **found) for number in range(count)}


def test_the_chance_that_any_segment_is_called_worse_without_a_loss_is_at_most_alpha():
    alarms = sum(
        any(c.blocks for c in compare_no_worse("champion", segments(seed, 0.0), RULE)) for seed in range(SEEDS)
    )
    assert alarms / SEEDS <= RULE.alpha + 0.03


def test_one_segment_that_got_worse_is_found_among_many_and_named():
    found = 0
    for seed in range(200):
        mixed = {**segments(seed, 0.02), "kind=bad": gains(seed, -0.05)}
        blocking = [c for c in compare_no_worse("champion", mixed, RULE) if c.blocks]
        found += [c.segment for c in blocking] == ["kind=bad"]
    assert found > 190
    assert blocking[0].outcome is Comparison.WORSE
    assert "kind=bad" in blocking[0].reason


def test_a_loss_that_is_tolerated_is_not_worse():
    rule = ComparisonRule(rows_min=500, tolerated=0.2)
    [judged] = compare_no_worse("champion", {"": gains(1, -0.1)}, rule)
    assert judged.outcome is Comparison.INCONCLUSIVE
    assert not judged.blocks


def test_a_segment_with_too_few_rows_is_inconclusive_and_blocks_nothing():
    [judged] = compare_no_worse("champion", {"kind=rare": gains(1, -1.0, rows=10)}, RULE)
    assert judged.outcome is Comparison.INCONCLUSIVE
    assert not judged.blocks
    assert "kind=rare" in judged.reason


def test_the_same_answers_are_neither_better_nor_worse():
    [judged] = compare_no_worse("champion", {"": [DaySum(200, 0.0)] * 14}, RULE)
    assert judged.outcome is Comparison.INCONCLUSIVE
