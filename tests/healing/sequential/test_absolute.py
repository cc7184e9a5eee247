"""The test rejects soon above the tolerated rate, and rarely within it, at any observation."""

import random
from statistics import median

import pytest

from healing.sequential.absolute import RESTART_OBSERVATIONS, AbsoluteRateTest
from tests.healing.sequential.seeds import SEEDS, rejections, rejections_allowed


def rejected_after(seed, rates, alpha, tolerated=0.02):
    generator = random.Random(seed)
    test = AbsoluteRateTest(alpha, tolerated)
    for number, rate in enumerate(rates, start=1):
        test.observe(event=generator.random() < rate)
        if test.rejected:
            return number
    return None


@pytest.mark.parametrize("tolerated", [0.02, 0.2, 0.5])
def test_at_the_tolerated_rate_it_rejects_in_at_most_alpha_of_whole_runs(tolerated):
    rates = [tolerated] * 1_500
    found = rejections(lambda seed: rejected_after(seed, rates, 0.05, tolerated) is not None)
    assert found <= rejections_allowed(0.05)


def test_a_rate_that_varies_within_the_tolerance_is_rejected_in_at_most_alpha_of_runs():
    rates = [0.02 if number % 300 < 150 else 0.0 for number in range(3_000)]
    assert rejections(lambda seed: rejected_after(seed, rates, 0.05) is not None) <= rejections_allowed(0.05)


def test_ten_percent_against_a_tolerance_of_two_is_rejected_within_150_at_the_median():
    found = [rejected_after(seed, [0.1] * 2_000, 0.001) for seed in range(SEEDS)]
    assert None not in found
    assert median(found) <= 150


def test_a_late_change_is_rejected_soon():
    rates = [0.01] * (5 * RESTART_OBSERVATIONS) + [0.5] * 200
    found = rejected_after(3, rates, 0.001)
    assert 5 * RESTART_OBSERVATIONS < found <= 5 * RESTART_OBSERVATIONS + 25


def test_the_allowance_notices_a_test_that_always_rejects():
    assert rejections(lambda _: True) > rejections_allowed(0.05) > rejections(lambda _: False)


def test_quiet_observations_in_bulk_equal_those_one_by_one():
    bulk, single = AbsoluteRateTest(0.001, 0.02), AbsoluteRateTest(0.001, 0.02)
    for quiet in (1_990, 15, 4_500):
        bulk.observe_quiet(quiet)
        for _ in range(quiet):
            single.observe(event=False)
        for test in (bulk, single):
            test.observe(event=True)
    assert bulk.log_e == pytest.approx(single.log_e, abs=1e-9)
    assert (bulk.observations, bulk.events) == (single.observations, single.events)


def test_a_resumed_test_continues_as_if_never_interrupted():
    whole, first, second = (AbsoluteRateTest(0.001, 0.02) for _ in range(3))
    for number in range(2_500):
        if number == 1_999:
            second.resume(first.save())
        for test in (whole, first if number < 1_999 else second):
            test.observe(event=number % 40 == 0)
    assert second.log_e == pytest.approx(whole.log_e, abs=1e-9)


@pytest.mark.parametrize(("alpha", "tolerated"), [(0, 0.1), (1, 0.1), (0.01, 0), (0.01, 1)])
def test_invalid_parameters_are_refused(alpha, tolerated):
    with pytest.raises(ValueError, match="found"):
        AbsoluteRateTest(alpha, tolerated)
