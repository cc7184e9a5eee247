import math
import random

import pytest

from chaos.resampling import median_interval, nearest_rank, ratio_interval, share_bound, share_interval


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((0, 10), 0.0, 0.3085), ((10, 10), 0.6915, 1.0), ((9, 10), 0.5550, 0.9975), ((0, 0), 0.0, 1.0)],
)
def test_the_interval_of_a_share_is_clopper_pearson(counts, low, high):
    assert share_interval(*counts) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("recovered", "trials", "bound"),
    [(0, 5, 0.0), (1, 1, 0.05), (20, 20, 0.05 ** (1 / 20)), (9, 10, 0.6058)],  # 9 of 10: R's binom.test, one-sided
)
def test_the_bound_is_clopper_pearson(recovered, trials, bound):
    assert share_bound(recovered, trials) == pytest.approx(bound, abs=1e-4)


def test_a_quantile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one time"):
        nearest_rank([], 0.5)


def test_the_interval_of_a_median_covers_it_about_as_often_as_promised():
    covered = 0
    for seed in range(60):
        chance = random.Random(seed)
        low, high = median_interval([chance.expovariate(1.0) for _ in range(21)], seed)
        covered += low <= math.log(2) <= high
    assert covered >= 52  # 57 expected; the percentile bootstrap of a median covers a little less


def test_times_that_never_ended_reach_into_the_interval():
    assert median_interval([1.0, 1.0, math.inf]) == (1.0, math.inf)
    assert median_interval([2.0] * 9) == (2.0, 2.0)


def test_a_ratio_of_equal_times_is_one_and_of_never_is_infinite():
    assert ratio_interval([2.0] * 5, [2.0] * 5) == (1.0, 1.0)
    assert ratio_interval([math.inf] * 5, [2.0] * 5) == (math.inf, math.inf)
    assert ratio_interval([math.inf] * 5, [math.inf] * 5) == (1.0, 1.0)
    assert ratio_interval([2.0] * 5, [math.inf] * 5) == (0.0, 0.0)
