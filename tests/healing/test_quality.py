"""Quality over seeds: days vary, labels are few, late or missing, and a loss is found."""

import math
import random

import pytest

from healing.clustered import DaySum, clustered_mean
from healing.quality import LabelledWindow, QualityRule, entropy, judge_quality, log_loss
from healing.verdict import Outcome

SEEDS = 400
RULE = QualityRule(rows_min=500)


def days(seed, *, loss=0.0, count=14, rows=200, spread=0.05):
    """Excess losses of days that differ from each other, as stormy and calm ones do."""
    generator = random.Random(seed)
    return tuple(
        DaySum(rows, rows * (loss + generator.gauss(0, spread)) + generator.gauss(0, rows**0.5)) for _ in range(count)
    )


def judge(window_days, *, predicted=None, reference=0.0, rule=RULE):
    labelled = sum(day.rows for day in window_days)
    return judge_quality(LabelledWindow(window_days, predicted or labelled), reference, rule)


def test_a_loss_at_the_tolerated_bound_fails_no_more_often_than_alpha():
    alarms = sum(judge(days(seed, loss=RULE.tolerated)).failed for seed in range(SEEDS))
    assert alarms / SEEDS <= RULE.alpha + 0.03


def test_a_loss_well_beyond_the_bound_is_found():
    found = sum(judge(days(seed, loss=0.12)).failed for seed in range(SEEDS))
    assert found / SEEDS > 0.95


def test_rows_of_one_day_count_as_one_observation():
    """A normal test over rows would call this certain: 20,000 rows, but they fell on days that go together."""
    alarms = sum(judge(days(s, loss=RULE.tolerated, rows=20_000, spread=0.2)).failed for s in range(SEEDS))
    assert alarms / SEEDS <= RULE.alpha + 0.03


@pytest.mark.parametrize("count", [0, 1, 6])
def test_too_few_days_are_never_a_pass(count):
    judged = judge(days(1, count=count))
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.statistic is None


def test_too_few_labels_are_inconclusive():
    assert judge(days(1, loss=1.0, rows=30)).outcome is Outcome.INCONCLUSIVE


def test_labels_of_the_odd_ones_only_are_inconclusive():
    found = days(1, loss=1.0)
    judged = judge(found, predicted=2 * sum(day.rows for day in found))
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "50%" in judged.reason


def test_an_increase_that_may_be_chance_is_neither_pass_nor_fail():
    uncertain = tuple(DaySum(100, 100 * value) for value in (0.3, -0.2) * 5)
    assert judge(uncertain).outcome is Outcome.INCONCLUSIVE


def test_the_reference_is_what_the_model_was_accepted_with():
    steady = tuple(DaySum(100, 100 * value) for value in (0.10, 0.12) * 5)
    assert judge(steady).failed
    assert judge(steady, reference=0.11).passed


def test_a_calibrated_prediction_expects_its_own_loss():
    for share in (0.05, 0.3, 0.5):
        expected = share * log_loss(share, 1) + (1 - share) * log_loss(share, 0)
        assert entropy(share) == pytest.approx(expected)


def test_a_certain_and_wrong_answer_costs_a_bounded_loss():
    assert log_loss(0.0, 1) == pytest.approx(-math.log(1e-6))


def test_clustered_mean_of_equal_days_is_the_mean_of_their_means():
    mean = clustered_mean([DaySum(10, 10.0), DaySum(10, 20.0), DaySum(10, 30.0)])
    assert mean.value == pytest.approx(2.0)
    assert mean.standard_error == pytest.approx(1 / math.sqrt(3))
    assert mean.degrees == 2
    assert mean.lower(0.05) == pytest.approx(2 - 2.919986 / math.sqrt(3), rel=1e-6)
    assert mean.lower(0.05) + mean.upper(0.05) == pytest.approx(4.0)


def test_clustered_mean_needs_two_days():
    with pytest.raises(ValueError, match="two days"):
        clustered_mean([DaySum(10, 10.0), DaySum(0, 0.0)])
