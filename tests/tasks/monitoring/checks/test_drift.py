"""Feature drift: the weights of the columns."""

import pytest

from tasks.monitoring.checks.drift import importance_weights


def test_weights_have_mean_one_and_no_column_has_weight_zero():
    weights = importance_weights({"a": 0.03, "b": 0.01, "c": -0.002})
    assert sum(weights.values()) == pytest.approx(3)
    assert weights["a"] > weights["b"] > weights["c"] == pytest.approx(0.1)
    assert importance_weights({"a": 0.0, "b": 0.0}) == {"a": 1.0, "b": 1.0}
