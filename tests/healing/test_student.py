"""Student's t against scipy's and against closed forms."""

import math

import pytest
from scipy import stats

from healing.student import upper_quantile, upper_tail


@pytest.mark.parametrize("degrees", [1, 2, 5, 6, 13, 50, 1000])
@pytest.mark.parametrize("t", [-3.0, -0.1, 0.0, 0.5, 2.0, 9.0])
def test_tail_agrees_with_scipy(t, degrees):
    assert upper_tail(t, degrees) == pytest.approx(stats.t.sf(t, degrees), rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 6, 27])
@pytest.mark.parametrize("tail", [0.5, 0.05, 0.001, 1e-6])
def test_quantile_inverts_the_tail(tail, degrees):
    assert upper_tail(upper_quantile(tail, degrees), degrees) == pytest.approx(tail, rel=1e-9)


def test_infinities_have_no_tail_or_all_of_it():
    assert upper_tail(math.inf, 3) == 0
    assert upper_tail(-math.inf, 3) == 1


def test_refuses_what_is_no_probability_and_no_degrees():
    with pytest.raises(ValueError, match="tail"):
        upper_quantile(0.7, 3)
    with pytest.raises(ValueError, match="degrees"):
        upper_tail(1.0, 0)
