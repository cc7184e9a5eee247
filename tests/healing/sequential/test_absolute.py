"""Above the tolerated rate the test alarms soon, within it seldom, at whatever moment one looks."""

import random
from statistics import median

import pytest

from healing.sequential.absolute import RESTART_OBSERVATIONS, AbsoluteRateTest
from tests.healing.sequential.seeds import SEEDS, alarms, alarms_allowed


def observations_until_alarm(seed, rates, alpha, tolerated=0.02):
    generator = random.Random(seed)
    test = AbsoluteRateTest(alpha, tolerated)
    for number, rate in enumerate(rates, start=1):
        test.observe(event=generator.random() < rate)
        if test.rejected:
            return number
    return None


@pytest.mark.parametrize("tolerated", [0.02, 0.2, 0.5])
def test_at_the_tolerated_rate_alarms_are_no_more_often_than_alpha_over_whole_runs(tolerated):
    rates = [tolerated] * 1_500
    found = alarms(lambda seed: observations_until_alarm(seed, rates, 0.05, tolerated) is not None)
    assert found <= alarms_allowed(0.05)


def test_a_rate_that_moves_within_the_tolerance_is_within_the_tolerance():
    rates = [0.02 if number % 300 < 150 else 0.0 for number in range(3_000)]
    assert alarms(lambda seed: observations_until_alarm(seed, rates, 0.05) is not None) <= alarms_allowed(0.05)


def test_one_in_ten_where_one_in_fifty_is_tolerated_is_found_within_150_at_the_median():
    found = [observations_until_alarm(seed, [0.1] * 2_000, 0.001) for seed in range(SEEDS)]
    assert None not in found
    assert median(found) <= 150


def test_what_goes_bad_late_is_found_soon_all_the_same():
    rates = [0.01] * (5 * RESTART_OBSERVATIONS) + [0.5] * 200
    found = observations_until_alarm(3, rates, 0.001)
    assert 5 * RESTART_OBSERVATIONS < found <= 5 * RESTART_OBSERVATIONS + 25


def test_the_allowance_of_alarms_would_notice_a_test_that_always_alarms():
    assert alarms(lambda _: True) > alarms_allowed(0.05) > alarms(lambda _: False)


def test_quiet_observations_in_bulk_are_the_same_as_one_by_one():
    bulk, single = AbsoluteRateTest(0.001, 0.02), AbsoluteRateTest(0.001, 0.02)
    for quiet in (1_990, 15, 4_500):
        bulk.observe_quiet(quiet)
        for _ in range(quiet):
            single.observe(event=False)
        for test in (bulk, single):
            test.observe(event=True)
    assert bulk.log_e == pytest.approx(single.log_e, abs=1e-9)
    assert (bulk.observations, bulk.events) == (single.observations, single.events)


def test_a_resumed_test_goes_on_as_if_never_interrupted():
    whole, first, second = (AbsoluteRateTest(0.001, 0.02) for _ in range(3))
    for number in range(2_500):
        if number == 1_999:
            second.resume(first.save())
        for test in (whole, first if number < 1_999 else second):
            test.observe(event=number % 40 == 0)
    assert second.log_e == pytest.approx(whole.log_e, abs=1e-9)


@pytest.mark.parametrize(("alpha", "tolerated"), [(0, 0.1), (1, 0.1), (0.01, 0), (0.01, 1)])
def test_settings_that_make_no_sense_are_refused(alpha, tolerated):
    with pytest.raises(ValueError, match="found"):
        AbsoluteRateTest(alpha, tolerated)
