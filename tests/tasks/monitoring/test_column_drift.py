"""Drift of columns compared with reference distances: false-alarm rate and power over seeds, and its limits."""

import random

import pytest

from healing.verdict import Outcome
from tasks.monitoring.column_drift import DriftRule, drifted_columns, judge_drift
from tasks.monitoring.reference_distances import ColumnDistance

SEEDS = 300
RULE = DriftRule(rows_min=100, distance_min=0.0)


def block_distance(generator, dimensions=1):
    """The distance of a block of a varying stream from its mean: the length of a normal vector."""
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
def test_an_unchanged_stream_fails_at_most_as_often_as_alpha(dimensions):
    failed = sum(
        judge_drift("features", columns(random.Random(seed), dimensions=dimensions), 1000, RULE).failed
        for seed in range(SEEDS)
    )
    assert failed / SEEDS <= RULE.alpha + 0.03  # three standard errors of a share of 5 % in 300


def test_a_large_shift_of_one_column_among_twelve_is_found():
    found = sum(judge_drift("features", columns(random.Random(s), moved=4.0), 1000, RULE).failed for s in range(SEEDS))
    assert found / SEEDS > 0.95


def test_the_threshold_is_the_distance_at_its_p_value():
    column = ColumnDistance("x", 0.5, (0.1, 0.2, 0.3, 0.15, 0.25))
    at_threshold = ColumnDistance("x", column.threshold(0.01), column.reference_distances)
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


UNEQUAL = {"column0": 6.0, **{f"column{number}": 6 / 11 for number in range(1, 12)}}


def test_weights_keep_the_false_alarm_rate_and_raise_the_power_of_heavy_columns():
    def found(weights, moved):
        return sum(
            any(
                column.column == "column0" or not moved
                for column in drifted_columns(columns(random.Random(seed), moved=moved), RULE, weights)
            )
            for seed in range(SEEDS)
        )

    assert found(UNEQUAL, moved=0.0) / SEEDS <= RULE.alpha + 0.03
    assert found(UNEQUAL, moved=1.2) > found(None, moved=1.2) + 0.05 * SEEDS


def failed_share(fails):
    return sum(fails(columns(random.Random(seed))) for seed in range(SEEDS)) / SEEDS


def test_the_false_alarm_rate_of_decisions_that_always_and_never_fail():
    assert failed_share(lambda drawn: any(column.distance >= 0.1 for column in drawn)) > 0.99  # a fixed threshold
    assert failed_share(lambda drawn: False) == 0
    assert failed_share(lambda drawn: judge_drift("features", drawn, 1000, RULE).failed) <= RULE.alpha + 0.03


def test_missing_values_are_named_and_have_the_weight_of_their_column():
    gone = ColumnDistance("x", 0.3, (0.0,) * 8, missing=True)
    calm = ColumnDistance("x", 0.01, (0.01, 0.012, 0.009, 0.011))
    judged = judge_drift("features", [calm, gone], 1000, DriftRule(rows_min=100), {"x": 2.0})
    assert judged.failed
    assert judged.reason.startswith("1 of 1 columns drifted: x (missing) 0.300")


def test_p_value_and_threshold_have_the_values_that_the_t_distribution_gives():
    """Computed once with an independent implementation of Student's t."""
    varied = ColumnDistance("x", 0.5, (0.1, 0.2, 0.3, 0.15, 0.25))
    assert varied.p_value == pytest.approx(0.02177331912530861, rel=1e-9)
    assert varied.threshold(0.01) == pytest.approx(0.6031214726562797, rel=1e-9)
    constant = ColumnDistance("x", 0.3, (0.0,) * 8)
    assert constant.p_value == pytest.approx(5.427400542081811e-10, rel=1e-9)
    assert constant.threshold(0.01) == pytest.approx(0.005670238290196001, rel=1e-9)
