"""The test rejects a mean above the tolerance, and rarely one within it, for any distribution."""

import random

import pytest

from healing.sequential.mean import BoundedMeanTest
from tests.healing.sequential.seeds import SEEDS, rejections, rejections_allowed


def rejected_after(seed, draw, observations, alpha=0.05):
    generator = random.Random(seed)
    test = BoundedMeanTest(alpha, low=-1, high=1, tolerated=0.1, restart_observations=200)
    for number in range(1, observations + 1):
        test.observe(draw(generator))
        if test.rejected:
            return number
    return None


DRAWS = {
    "two points": lambda generator: 1.0 if generator.random() < 0.55 else -1.0,
    "rare and large": lambda generator: 1.0 if generator.random() < 0.1 else 0.0,
    "nearly constant": lambda generator: generator.uniform(0.09, 0.11),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_at_the_tolerated_mean_it_rejects_in_at_most_alpha_of_whole_runs(draw):
    assert rejections(lambda seed: rejected_after(seed, draw, 300) is not None) <= rejections_allowed(0.05)


def test_a_clear_excess_is_rejected_within_80_observations_in_nine_of_ten_runs():
    found = [rejected_after(seed, lambda generator: generator.uniform(0, 1), 80) for seed in range(SEEDS)]
    assert sum(number is not None for number in found) >= 0.9 * SEEDS


def test_a_resumed_test_continues_as_if_never_interrupted():
    whole, first, second = (BoundedMeanTest(0.01, -1, 1, 0, restart_observations=7) for _ in range(3))
    for number in range(40):
        if number == 17:
            second.resume(first.save())
        for test in (whole, first if number < 17 else second):
            test.observe((-1) ** number * number / 40)
    assert second.save() == whole.save()
    assert second.mean == pytest.approx(whole.total / 40)


@pytest.mark.parametrize("value", [-1.01, 1.01, float("nan")])
def test_an_observation_outside_its_bounds_is_refused(value):
    with pytest.raises(ValueError, match="clip it first"):
        BoundedMeanTest(0.01, -1, 1, 0).observe(value)


@pytest.mark.parametrize(("low", "tolerated", "high"), [(0, 0, 1), (0, 1, 1), (1, 0, -1)])
def test_bounds_that_leave_no_room_for_a_bet_are_refused(low, tolerated, high):
    with pytest.raises(ValueError, match="low < tolerated < high"):
        BoundedMeanTest(0.01, low, high, tolerated)
