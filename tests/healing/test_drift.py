"""Drift is judged against how far the reference drifts by itself: alarms over seeds, and rules by table."""

import random

import pytest

from healing.drift import ColumnDistance, DriftRule, holm, judge_drift
from healing.verdict import Outcome

SEEDS = 300
RULE = DriftRule(rows_min=100, distance_min=0.0)


def block_distance(generator, dimensions=1):
    """How far a block of a wandering stream lies from its mean: the length of a normal vector."""
    return sum(generator.gauss(0, 0.3) ** 2 for _ in range(dimensions)) ** 0.5


def columns(generator, *, moved=0.0, dimensions=1, count=12, blocks=8):
    return [
        ColumnDistance(
            f"column{number}",
            block_distance(generator, dimensions) + (moved if number == 0 else 0.0),
            tuple(block_distance(generator, dimensions) for _ in range(blocks)),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_an_unchanged_stream_raises_an_alarm_no_more_often_than_alpha(dimensions):
    alarms = sum(
        judge_drift("features", columns(random.Random(seed), dimensions=dimensions), 1000, RULE).failed
        for seed in range(SEEDS)
    )
    assert alarms / SEEDS <= RULE.alpha + 0.03  # three standard errors of a share of 5 % in 300


def test_a_large_shift_of_one_column_among_twelve_is_found():
    found = sum(judge_drift("features", columns(random.Random(s), moved=4.0), 1000, RULE).failed for s in range(SEEDS))
    assert found / SEEDS > 0.95


def test_the_threshold_is_the_distance_at_its_p_value():
    column = ColumnDistance("x", 0.5, (0.1, 0.2, 0.3, 0.15, 0.25))
    at_threshold = ColumnDistance("x", column.threshold(0.01), column.nulls)
    assert at_threshold.p_value == pytest.approx(0.01)


def test_a_significant_but_immaterial_shift_passes():
    tiny = [ColumnDistance("x", 0.05, (0.001, 0.002, 0.001, 0.002, 0.001))]
    judged = judge_drift("features", tiny, 1000, DriftRule(rows_min=100))
    assert judged.passed
    assert judged.threshold is not None
    assert judged.threshold >= 0.1


def test_a_small_window_is_inconclusive_however_far_it_lies():
    far = [ColumnDistance("x", 9.0, (0.1,) * 6)]
    assert judge_drift("features", far, 99, RULE).outcome is Outcome.INCONCLUSIVE


def test_too_few_reference_blocks_are_inconclusive():
    judged = judge_drift("features", [ColumnDistance("x", 9.0, (0.1, 0.2, 0.3))], 1000, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "3 blocks" in judged.reason


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.01, "b": 0.03, "c": 0.02}, alpha=0.05) == {"a", "b", "c"}
    assert holm({"a": 0.01, "b": 0.02, "c": 0.2}, alpha=0.05) == {"a", "b"}
    assert holm({}, alpha=0.05) == frozenset()
