"""Drift is judged against how far the reference drifts by itself: alarms over seeds, and rules by table."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.drift import ColumnDistance, DriftRule, drifted_columns, holm, importance_weights, judge_drift
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


def test_a_weight_decides_who_gets_how_much_of_the_error():
    p_values = {"important": 0.03, "other": 0.03, "third": 0.9}
    assert holm(p_values, alpha=0.05) == frozenset()
    assert holm(p_values, alpha=0.05, weights={"important": 2.0, "other": 0.5, "third": 0.5}) == {"important"}
    assert holm(p_values, alpha=0.05, weights=dict.fromkeys(p_values, 7.0)) == holm(p_values, alpha=0.05)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_column_that_could_never_be_seen_is_refused(weight):
    with pytest.raises(ValueError, match="above zero"):
        holm({"a": 0.01, "b": 0.01}, alpha=0.05, weights={"a": weight})


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=1),
    st.floats(0.001, 0.2),
)
def test_weighted_holm_rejects_at_least_what_weighted_bonferroni_does_and_more_at_a_larger_alpha(drawn, alpha):
    p_values = {name: p_value for name, (p_value, _) in drawn.items()}
    weights = {name: weight for name, (_, weight) in drawn.items()}
    rejected, total = holm(p_values, alpha, weights), sum(weights.values())
    assert {name for name in p_values if p_values[name] <= alpha * weights[name] / total * (1 - 1e-9)} <= rejected
    assert rejected <= holm(p_values, alpha * 2, weights)


UNEQUAL = {"column0": 6.0, **{f"column{number}": 6 / 11 for number in range(1, 12)}}


def test_weights_keep_the_share_of_false_alarms_and_find_more_in_what_they_favour():
    def alarms(weights, moved):
        return sum(
            any(
                column.column == "column0" or not moved
                for column in drifted_columns(columns(random.Random(seed), moved=moved), RULE, weights)
            )
            for seed in range(SEEDS)
        )

    assert alarms(UNEQUAL, moved=0.0) / SEEDS <= RULE.alpha + 0.03
    assert alarms(UNEQUAL, moved=1.2) > alarms(None, moved=1.2) + 0.05 * SEEDS


def share_of_alarms(judge):
    return sum(judge(columns(random.Random(seed))) for seed in range(SEEDS)) / SEEDS


def test_the_measure_of_false_alarms_knows_a_judge_that_always_alarms_and_one_that_never_does():
    assert share_of_alarms(lambda drawn: any(column.distance >= 0.1 for column in drawn)) > 0.99  # a fixed threshold
    assert share_of_alarms(lambda drawn: False) == 0
    assert share_of_alarms(lambda drawn: judge_drift("features", drawn, 1000, RULE).failed) <= RULE.alpha + 0.03


def test_missing_values_are_named_as_such_and_weigh_what_their_column_weighs():
    gone = ColumnDistance("x", 0.3, (0.0,) * 8, missing=True)
    calm = ColumnDistance("x", 0.01, (0.01, 0.012, 0.009, 0.011))
    judged = judge_drift("features", [calm, gone], 1000, DriftRule(rows_min=100), {"x": 2.0})
    assert judged.failed
    assert judged.reason.startswith("1 of 1 columns drifted: x (missing) 0.300")


def test_importance_gives_weights_of_mean_one_and_forgets_no_column():
    weights = importance_weights({"a": 0.03, "b": 0.01, "c": -0.002})
    assert sum(weights.values()) == pytest.approx(3)
    assert weights["a"] > weights["b"] > weights["c"] == pytest.approx(0.1)
    assert importance_weights({"a": 0.0, "b": 0.0}) == {"a": 1.0, "b": 1.0}
