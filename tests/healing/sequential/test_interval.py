"""The bound holds at every look for any distribution within the scale, and narrows as it should."""

import math
import random

import pytest

from healing.sequential.interval import LAMBDAS, MeanBound, deviation, log_e


def observed(draw, count: int, guess: float = 0.5, scale: float = 1.0) -> MeanBound:
    bound = MeanBound(0.025, scale)
    for number in range(count):
        bound.observe(draw(number), guess)
    return bound


@pytest.mark.parametrize("variance", [0.0, 0.3, 5.0, 400.0, 1e6])
@pytest.mark.parametrize("alpha", [0.3, 0.025, 1e-4])
def test_the_deviation_is_where_the_e_value_reaches_the_threshold(variance, alpha):
    found = deviation(variance, alpha)
    assert log_e(found, variance) >= -math.log(alpha) > log_e(found * (1 - 1e-5), variance)


@pytest.mark.parametrize("deviates", [-1.0, -0.8, -0.1, 0.0, 0.3, 1.0])
def test_each_bet_is_fair_or_losing(deviates):
    """exp(λξ - ψ(λ)ξ²) ≤ 1 + λξ for every ξ ≥ -1: the inequality that the bound rests on."""
    for rate in LAMBDAS:
        psi = -math.log1p(-rate) - rate
        assert math.exp(rate * deviates - psi * deviates**2) <= 1 + rate * deviates + 1e-12


def test_the_width_is_that_of_the_spread_and_not_of_the_range():
    """With the same observations in a range ten times as large, the interval is not much wider."""
    generator = random.Random(0)
    values = [generator.random() for _ in range(20_000)]
    near, far = (observed(values.__getitem__, 20_000, scale=scale) for scale in (1.0, 10.0))
    assert near.radius < 4.5 / math.sqrt(12 * 20_000)  # of a known spread at one planned look it is 2.2 instead of 4.5
    assert far.radius < 2 * near.radius


def test_the_radius_after_more_observations_is_foretold():
    few, many = observed(lambda number: number % 2, 100), observed(lambda number: number % 2, 1_000)
    assert few.radius_at(10) == pytest.approx(many.radius)


def test_without_observations_nothing_is_known():
    assert (MeanBound(0.05, 1.0).lower, MeanBound(0.05, 1.0).upper) == (-math.inf, math.inf)


@pytest.mark.parametrize("value", [1.6, -0.6, math.nan])
def test_a_value_further_than_the_scale_from_its_guess_is_refused(value):
    with pytest.raises(ValueError, match=r"within 1\.0 of 0\.5"):
        MeanBound(0.05, 1.0).observe(value, guess=0.5)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match="alpha"):
        MeanBound(0.0, 1.0)
    with pytest.raises(ValueError, match="scale above 0"):
        MeanBound(0.05, 0.0)
