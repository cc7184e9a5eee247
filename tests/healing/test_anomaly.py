"""The three-sigma rule over seeds: how often it alarms on nothing, what it finds, and that it can do either."""

import random
from dataclasses import replace

import pytest

from healing.anomaly import AnomalyRule, Series, Side, departure, judge_anomaly, sigmas_allowed
from healing.verdict import Outcome

SEEDS = 400
RULE = AnomalyRule(spread_min=0.01)


def series(seed, *, count=24, moved=0.0, last=3, tail=None):
    """Noise around 5, of which the `last` values are `moved` by so many of its deviations."""
    generator = random.Random(seed)

    def noise():
        scale = 1.0 if tail is None else (sum(generator.gauss(0, 1) ** 2 for _ in range(tail)) / tail) ** -0.5
        return generator.gauss(0, 1) * scale

    values = [5 + noise() for _ in range(count + RULE.among)]
    return Series((*values[:-last], *(value + moved for value in values[-last:])), 100, "5 a day")


def alarms(rule, **world):
    return sum(judge_anomaly("requests", series(seed, **world), rule).failed for seed in range(SEEDS)) / SEEDS


@pytest.mark.parametrize("count", [8, 24, 60])
@pytest.mark.parametrize("tail", [None, 5])  # Student's t with five degrees has outliers as real traffic does
def test_nothing_new_raises_an_alarm_once_in_hundreds(count, tail):
    assert alarms(RULE, count=count, tail=tail) <= 0.01


def test_one_value_alone_may_be_asked_to_alarm_and_does_so_more_often():
    assert alarms(replace(RULE, needed=1, among=1), tail=5, last=1) <= 0.03


def test_a_lasting_departure_is_found_and_a_passing_one_is_not():
    assert alarms(RULE, moved=8.0) > 0.95
    assert alarms(RULE, moved=-8.0) > 0.95
    assert alarms(RULE, moved=8.0, last=1) <= 0.02


def test_what_only_matters_upwards_may_fall():
    upwards = replace(RULE, side=Side.HIGH)
    assert alarms(upwards, moved=-8.0) == 0
    assert alarms(upwards, moved=8.0) > 0.95


def test_the_doubles_always_and_never_alarm():
    assert alarms(replace(RULE, spread_min=1e9), moved=8.0) == 0
    flat = Series((*(5.0,) * 20, 5.1, 5.1, 5.1), 100, "5 a day")
    assert judge_anomaly("requests", flat, replace(RULE, spread_min=1e-9)).failed
    assert judge_anomaly("requests", flat, replace(RULE, spread_min=0.1)).passed  # a hair is no anomaly


def test_too_short_a_past_and_a_single_departure_are_inconclusive():
    assert judge_anomaly("requests", Series((5.0,) * 10, 100, ""), RULE).outcome is Outcome.INCONCLUSIVE
    lone = Series((*(5.0, 5.1) * 12, 9.0), 100, "")
    judged = judge_anomaly("requests", lone, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.statistic is not None


def test_one_bad_hour_of_the_past_does_not_hide_the_next():
    before = [5.0, 5.1, 4.9] * 6 + [50.0]
    assert departure(9.0, before, 0.01) > 10


def test_few_values_widen_the_three_sigmas():
    assert 9 < sigmas_allowed(8) < 10.5
    assert 3.0 < sigmas_allowed(200) < 3.2
