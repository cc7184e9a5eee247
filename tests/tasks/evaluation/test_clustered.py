"""Clustered means: one day is one observation."""

import math

import pytest

from tasks.evaluation.clustered import DaySum, clustered_mean


def test_clustered_mean_of_equal_days_is_the_mean_of_their_means():
    mean = clustered_mean([DaySum(10, 10.0), DaySum(10, 20.0), DaySum(10, 30.0)])
    assert mean.value == pytest.approx(2.0)
    assert mean.standard_error == pytest.approx(1 / math.sqrt(3))
    assert mean.degrees == 2
    assert mean.lower(0.05) == pytest.approx(2 - 2.919986 / math.sqrt(3), rel=1e-6)
    assert mean.lower(0.05) + mean.upper(0.05) == pytest.approx(4.0)


def test_clustered_mean_needs_two_days():
    with pytest.raises(ValueError, match="on two days"):
        clustered_mean([DaySum(10, 10.0), DaySum(0, 0.0)])


def test_bounds_and_p_value_have_the_values_that_the_t_distribution_gives():
    """Computed once with an independent implementation of Student's t."""
    mean = clustered_mean([DaySum(10, 1.0), DaySum(20, 5.0), DaySum(15, 3.5)])
    assert (mean.value, mean.standard_error) == pytest.approx((0.2111111111111111, 0.03801186251442137), rel=1e-12)
    assert mean.lower(0.05) == pytest.approx(0.10011702068661839, rel=1e-9)
    assert mean.upper(0.05) == pytest.approx(0.32210520153560385, rel=1e-9)
    assert mean.tail_above(0.4) == pytest.approx(0.01909613849843831, rel=1e-9)


def test_equal_days_leave_no_doubt_about_the_mean():
    mean = clustered_mean([DaySum(10, 1.0), DaySum(20, 2.0)])
    assert mean.tail_above(0.2) == 0.0
    assert mean.tail_above(0.05) == 1.0
