"""Quality over seeds: days vary, labels are few, late or missing, and a loss is found."""

import math
import random

import pytest

from healing.clustered import DaySum, clustered_mean
from healing.quality import Cohort, LabelledWindow, QualityRule, coverage_to_expect, judge_quality
from healing.verdict import Outcome

SEEDS = 400
RULE = QualityRule(rows_min=500)


def excess_of(probability, label):
    """Log-loss less the entropy of the answer, in nats."""
    expected = -sum(share * math.log(share) for share in (probability, 1 - probability))
    return -math.log(probability if label else 1 - probability) - expected


EXTREMES = tuple(excess_of(0.22, label) for label in (0, 1))  # of a model that answers 0.22


def days(seed, *, loss=0.0, count=14, rows=200, spread=0.05):
    """Excess losses of days that differ from each other, as stormy and calm ones do."""
    generator = random.Random(seed)
    return tuple(
        DaySum(rows, rows * (loss + generator.gauss(0, spread)) + generator.gauss(0, rows**0.5)) for _ in range(count)
    )


def judge(window_days, *, reference=0.0, rule=RULE, labelled=1.0, usual=None, extremes=(0.0, 0.0)):
    """`labelled` is the share of each day's predictions that have a label."""
    cohorts = [Cohort(round(day.rows / labelled), day) for day in window_days]
    return judge_quality(LabelledWindow(cohorts, usual, *extremes), reference, rule)


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
    judged = judge(days(1, loss=1.0), labelled=0.5)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "50%" in judged.reason


def test_days_that_are_labelled_in_part_count_as_unlabelled():
    """The last three of 14 days have the labels of failures only: 11 days are too few to speak for 14."""
    late = [Cohort(200, day) for day in days(1)[:11]] + [Cohort(200, DaySum(44, 44.0)) for _ in range(3)]
    judged = judge_quality(LabelledWindow(late), 0.0, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.statistic is None


def test_what_is_missing_beyond_the_usual_has_the_benefit_of_every_doubt():
    steady = tuple(DaySum(200, 200 * value) for value in (0.04, 0.06) * 7)
    assert judge(steady).failed
    assert judge(steady, labelled=0.9, usual=0.9, extremes=EXTREMES).failed  # as many are missing as always are
    assert judge(steady, labelled=0.9, usual=0.99, extremes=EXTREMES).outcome is Outcome.INCONCLUSIVE
    calm = tuple(DaySum(200, 200 * value) for value in (0.001, -0.001) * 7)
    assert judge(calm).passed
    assert judge(calm, labelled=0.9, usual=0.99, extremes=EXTREMES).outcome is Outcome.INCONCLUSIVE


def cohorts(generator, *, count=14, rows=80, rate=0.22, calibrated=0.22, failures=1.0, others=1.0):
    """Days of a model that answers `calibrated` where `rate` is true; labels come for these shares of each class."""
    found = []
    for _ in range(count):
        labels = [generator.random() < rate for _ in range(rows)]
        known = [label for label in labels if generator.random() < (failures if label else others)]
        excess = [excess_of(calibrated, label) for label in known]
        found.append(Cohort(rows, DaySum(len(known), math.fsum(excess))))
    return found


@pytest.mark.parametrize("others", [0.0, 0.3, 0.6, 0.8, 0.85, 0.9, 0.95])
def test_labels_of_failures_first_never_condemn_a_model_that_is_right(others):
    """However many of the other labels are still missing."""
    usual = coverage_to_expect(cohorts(random.Random(0)), 14)
    judged = [
        judge_quality(LabelledWindow(cohorts(random.Random(1 + seed), others=others), usual, *EXTREMES), 0.0, RULE)
        for seed in range(200)
    ]
    assert sum(each.failed for each in judged) <= 0.05 * len(judged)
    assert others > 0.9 or not any(each.passed for each in judged)  # what is missing may hide a loss


@pytest.mark.parametrize("failures", [0.0, 0.5, 0.9])
def test_labels_of_successes_first_never_acquit_a_model_that_is_wrong(failures):
    usual = coverage_to_expect(cohorts(random.Random(0)), 14)
    for seed in range(200):
        found = cohorts(random.Random(1 + seed), rate=0.35, failures=failures)
        assert not judge_quality(LabelledWindow(found, usual, *EXTREMES), 0.0, RULE).passed


def test_labels_that_never_come_decide_nothing():
    judged = judge_quality(LabelledWindow(cohorts(random.Random(0), failures=0, others=0), 1.0, *EXTREMES), 0.0, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "0%" in judged.reason


@pytest.mark.parametrize(("storms", "most"), [(0.0, 0.09), (0.1, 0.25)])
def test_the_usual_coverage_is_one_that_windows_of_such_days_keep(storms, most):
    """Where a storm cancels a fifth, fourteen days too often hold none: the verdict is then only more careful."""

    def day(generator):
        gone = 0.2 if generator.random() < storms else 0.03
        return Cohort(500, DaySum(sum(generator.random() > gone for _ in range(500)), 0.0))

    below = 0
    for seed in range(200):
        generator = random.Random(seed)
        usual = coverage_to_expect([day(generator) for _ in range(14)], 14)
        below += LabelledWindow([day(generator) for _ in range(14)]).coverage < usual
    assert below / 200 <= most
    assert coverage_to_expect([day(random.Random(1))], 14) is None


def test_an_increase_that_may_be_chance_is_neither_pass_nor_fail():
    uncertain = tuple(DaySum(100, 100 * value) for value in (0.3, -0.2) * 5)
    assert judge(uncertain).outcome is Outcome.INCONCLUSIVE


def test_the_reference_is_what_the_model_was_accepted_with():
    steady = tuple(DaySum(100, 100 * value) for value in (0.10, 0.12) * 5)
    assert judge(steady).failed
    assert judge(steady, reference=0.11).passed


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
