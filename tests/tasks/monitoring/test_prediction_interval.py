"""Student's prediction interval: its error rate over seeds, and that limit and p-value agree."""

import random

import pytest

from tasks.monitoring.prediction_interval import tail_probability, upper_limit

EARLIER = (1.0, 1.2, 0.9, 1.1, 1.05)


def test_the_upper_limit_has_its_own_tail_probability():
    for tail in (0.2, 0.01, 1e-6):
        limit = upper_limit(tail, EARLIER, spread_min=0.01)
        assert tail_probability(limit, EARLIER, spread_min=0.01) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize("count", [4, 8, 20])
def test_a_new_normal_value_exceeds_the_limit_as_often_as_the_tail_says(count):
    exceeded = 0
    for seed in range(1000):
        generator = random.Random(seed)
        earlier = [generator.gauss(0, 1) for _ in range(count)]
        exceeded += tail_probability(generator.gauss(0, 1), earlier, spread_min=0.0) < 0.1
    assert 0.07 <= exceeded / 1000 <= 0.13  # three standard errors


def test_the_spread_floor_keeps_tiny_deviations_from_being_significant():
    equal = (1.0,) * 8
    assert tail_probability(1.001, equal, spread_min=1e-6) < 1e-6
    assert tail_probability(1.001, equal, spread_min=0.01) > 0.4
