"""The offline-optimal schedule against an exhaustive search."""

from itertools import combinations

import numpy as np
import pytest

from tasks.backtest.optimum import optimal_schedules, price_max


def matrix(seed, blocks=7):
    return np.random.default_rng(seed).uniform(0.1, 1.0, (blocks, blocks))


def loss_of(losses, retrains):
    """The loss of one schedule, block by block."""
    total, model = 0.0, 0
    for block in range(len(losses)):
        model = block if block in retrains else model
        total += losses[model, block]
    return total


@pytest.mark.parametrize("seed", range(20))
def test_each_number_of_retrains_has_its_best_schedule(seed):
    losses = matrix(seed)
    found = optimal_schedules(losses)
    for count, schedule in enumerate(found):
        choices = combinations(range(1, len(losses)), count)
        assert schedule.loss == pytest.approx(min(loss_of(losses, chosen) for chosen in choices))
        assert schedule.loss == pytest.approx(loss_of(losses, schedule.retrains))
        assert len(schedule.retrains) == count
    assert len(found) == len(losses)


def test_a_refused_training_is_in_no_schedule():
    losses = matrix(1)
    losses[3] = np.inf
    found = optimal_schedules(losses)
    assert len(found) == len(losses) - 1
    assert not any(3 in schedule.retrains for schedule in found)


def test_the_highest_price_is_where_the_best_schedule_stops_to_retrain():
    found = optimal_schedules(matrix(2))
    limit = price_max(found)

    def retrains_at(price):
        return len(min(found, key=lambda each: each.loss + price * len(each.retrains)).retrains)

    assert retrains_at(limit * 0.999) > 0
    assert retrains_at(limit * 1.001) == 0


def test_without_any_gain_the_highest_price_is_zero():
    losses = np.tile(np.arange(1.0, 5.0)[:, None], (1, 4))  # every later model is worse
    assert price_max(optimal_schedules(losses)) == 0.0
