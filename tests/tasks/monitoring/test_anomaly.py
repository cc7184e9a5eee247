"""The robust three-sigma rule over seeds: false-alarm rate, power, and limits that always or never fail."""

import random
from dataclasses import replace

import pytest

from healing.verdict import Outcome
from tasks.monitoring.anomaly import AnomalyRule, AnomalySeries, Side, departure, judge_anomaly, sigmas_allowed

SEEDS = 400
RULE = AnomalyRule(spread_min=0.01)


def series(seed, *, count=24, moved=0.0, last=3, tail=None):
    """Noise around 5; the `last` values are shifted by `moved` standard deviations."""
    generator = random.Random(seed)

    def noise():
        scale = 1.0 if tail is None else (sum(generator.gauss(0, 1) ** 2 for _ in range(tail)) / tail) ** -0.5
        return generator.gauss(0, 1) * scale

    values = [5 + noise() for _ in range(count + RULE.among)]
    return AnomalySeries((*values[:-last], *(value + moved for value in values[-last:])), 100, "5 a day")


def failed_share(rule, **world):
    return sum(judge_anomaly("requests", series(seed, **world), rule).failed for seed in range(SEEDS)) / SEEDS


@pytest.mark.parametrize("count", [8, 24, 60])
@pytest.mark.parametrize("tail", [None, 5])  # Student's t with five degrees has outliers as real traffic does
def test_unchanged_series_fail_once_in_hundreds(count, tail):
    assert failed_share(RULE, count=count, tail=tail) <= 0.01


def test_a_rule_that_needs_one_value_has_a_higher_false_alarm_rate():
    assert failed_share(replace(RULE, needed=1, among=1), tail=5, last=1) <= 0.03


def test_a_lasting_departure_fails_and_a_passing_one_does_not():
    assert failed_share(RULE, moved=8.0) > 0.95
    assert failed_share(RULE, moved=-8.0) > 0.95
    assert failed_share(RULE, moved=8.0, last=1) <= 0.02


def test_a_one_sided_rule_ignores_low_values():
    upwards = replace(RULE, side=Side.HIGH)
    assert failed_share(upwards, moved=-8.0) == 0
    assert failed_share(upwards, moved=8.0) > 0.95


def test_a_spread_floor_decides_whether_tiny_deviations_fail():
    assert failed_share(replace(RULE, spread_min=1e9), moved=8.0) == 0
    flat = AnomalySeries((*(5.0,) * 20, 5.1, 5.1, 5.1), 100, "5 a day")
    assert judge_anomaly("requests", flat, replace(RULE, spread_min=1e-9)).failed
    assert judge_anomaly("requests", flat, replace(RULE, spread_min=0.1)).passed


def test_a_short_history_and_a_single_departure_are_inconclusive():
    assert judge_anomaly("requests", AnomalySeries((5.0,) * 10, 100, ""), RULE).outcome is Outcome.INCONCLUSIVE
    lone = AnomalySeries((*(5.0, 5.1) * 12, 9.0), 100, "")
    judged = judge_anomaly("requests", lone, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.statistic is not None


def test_one_bad_hour_in_the_past_does_not_hide_the_next_one():
    before = [5.0, 5.1, 4.9] * 6 + [50.0]
    assert departure(9.0, before, 0.01) > 10


def test_few_earlier_values_widen_the_three_sigmas():
    assert 9 < sigmas_allowed(8) < 10.5
    assert 3.0 < sigmas_allowed(200) < 3.2


@pytest.mark.parametrize(
    ("count", "sigmas"), [(4, 21.47297855104035), (8, 9.777909858151148), (24, 3.929280260671326), (60, 3.30762045122)]
)
def test_the_limit_has_the_value_that_the_t_quantile_gives(count, sigmas):
    """Computed once with an independent implementation of Student's t."""
    assert sigmas_allowed(count) == pytest.approx(sigmas, rel=1e-9)
