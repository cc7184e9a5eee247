"""The interval between renewals by schedule, and how the cost of a retrain lengthens it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healing.renewal import FreshnessGain, renewal_interval


def gain(per_row, newer_days=14, rows_per_day=1_000.0):
    return FreshnessGain(per_row, newer_days, rows_per_day)


def test_without_a_cost_the_schedule_is_kept():
    assert renewal_interval(14, 0, gain(-1.0)) == 14


def test_without_a_measured_gain_the_schedule_is_kept():
    assert renewal_interval(14, 1e9) == 14
    assert renewal_interval(14, 1e9, gain(0.01, newer_days=0)) == 14  # an older model came back


@pytest.mark.parametrize("per_row", [0.0, -0.01])
def test_a_renewal_that_gained_nothing_doubles_the_interval(per_row):
    assert renewal_interval(14, 1.0, gain(per_row)) == 28
    assert renewal_interval(14, 1.0, gain(per_row, newer_days=28)) == 56


def test_a_cost_that_the_gain_exceeds_postpones_nothing():
    assert renewal_interval(14, 1.0, gain(0.01)) == 14


def test_the_interval_has_the_lowest_sum_of_loss_and_cost():
    cost, found = 400.0, gain(0.01, newer_days=40)
    growth = found.per_row / found.newer_days * found.rows_per_day

    def cost_per_day(days):
        return cost / days + growth * days / 2

    chosen = renewal_interval(14, cost, found)
    assert 14 < chosen < 80
    assert cost_per_day(chosen) <= min(cost_per_day(chosen - 2), cost_per_day(chosen + 2))


@given(
    st.integers(1, 100),
    st.floats(0, 1e6),
    st.floats(-1, 1),
    st.integers(-50, 400),
    st.floats(0.1, 1e6),
    st.floats(1, 10),
)
def test_it_is_never_shorter_than_the_schedule_and_grows_with_the_cost(every, cost, per_row, newer, rows, factor):
    found = gain(per_row, newer, rows)
    chosen = renewal_interval(every, cost, found)
    assert every <= chosen <= 2 * max(every, newer)
    assert renewal_interval(every, cost * factor, found) >= chosen
    assert not math.isinf(chosen)
