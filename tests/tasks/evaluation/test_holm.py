"""Holm's step-down procedure, with and without weights."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.holm import holm


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.01, "b": 0.03, "c": 0.02}, alpha=0.05) == {"a", "b", "c"}
    assert holm({"a": 0.01, "b": 0.02, "c": 0.2}, alpha=0.05) == {"a", "b"}
    assert holm({}, alpha=0.05) == frozenset()


def test_a_weight_decides_the_share_of_alpha():
    p_values = {"important": 0.03, "other": 0.03, "third": 0.9}
    assert holm(p_values, alpha=0.05) == frozenset()
    assert holm(p_values, alpha=0.05, weights={"important": 2.0, "other": 0.5, "third": 0.5}) == {"important"}
    assert holm(p_values, alpha=0.05, weights=dict.fromkeys(p_values, 7.0)) == holm(p_values, alpha=0.05)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_weight_of_zero_or_less_is_refused(weight):
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
