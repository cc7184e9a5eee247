import random

import pytest

from gateway.guards.batch_times import BatchTimes
from tests.gateway.load import keep_asking
from tests.gateway.running import run_gateway, wait_until
from tests.odd_models import LATE_TYPE, LateClassifier
from tests.published import bootstrap, publish_tiny_model, tiny_rows


def times_of(batches):
    times = BatchTimes()
    for rows, seconds in batches:
        times.take(rows, seconds)
    return times


USUAL = [(1, 0.004)] * 100


def test_half_of_the_latest_batches_far_above_the_first_are_slow_and_fewer_are_not():
    assert "take 200 ms at the median" in times_of([*USUAL, *[(1, 0.2)] * 30]).slow(3, 0.1)
    assert times_of([*USUAL, *[(1, 0.2)] * 29]).slow(3, 0.1) == ""
    assert times_of([*USUAL, *[(1, 0.2), (1, 0.004), (1, 0.004)] * 10]).slow(3, 0.1) == ""


def test_what_is_slow_for_users_is_not_slow_below_the_floor_or_within_the_multiple():
    assert times_of([*USUAL, *[(1, 0.08)] * 30]).slow(3, 0.1) == ""
    assert times_of([*[(1, 0.1)] * 100, *[(1, 0.25)] * 30]).slow(3, 0.1) == ""


def test_fuller_batches_are_held_against_batches_as_full():
    assert times_of([*USUAL, *[(200, 0.5)] * 130]).slow(3, 0.1) == ""


def test_a_new_process_begins_anew():
    times = times_of([*USUAL, *[(1, 0.2)] * 30])
    times.begin_anew()
    assert times.slow(3, 0.1) == ""


def test_a_noisy_machine_makes_no_model_slow():
    for seed in range(200):
        noise = random.Random(seed)
        assert times_of((1, 0.01 * noise.lognormvariate(0, 1)) for _ in range(1000)).slow(3, 0.01) == ""


@pytest.mark.timeout(300)
def test_a_champion_that_becomes_slow_is_told_until_it_is_quick_again(root, keys, state_dir):
    champion = publish_tiny_model(root, keys, estimator=LateClassifier())
    bootstrap(root, champion)
    with run_gateway(root, keys, state_dir, "--trusted-types", LATE_TYPE) as gateway:
        gateway.wait_for_worker(champion.digest)
        problem = ("model_slow", champion.digest)
        with keep_asking(gateway, clients=1) as load:
            load.wait_for(110)
        assert gateway.problems() == set()
        with keep_asking(gateway, clients=1, rows=[["LATE", 1.0, 3]]) as load:
            wait_until(lambda: problem in gateway.problems(), "it is told")
        with keep_asking(gateway, clients=1, rows=tiny_rows(8)) as load:
            wait_until(lambda: gateway.problems() == set(), "it is over")
        assert load.failed == []
