"""Quality over seeds: false-alarm rate and power when days vary, and labels are few, late or missing."""

import math
import random

import numpy as np
import pytest

from healing.verdict import Outcome
from tasks.evaluation.clustered import DaySum
from tasks.evaluation.scores import entropies, log_losses
from tasks.monitoring.checks.quality import QualityRule, judge_quality
from tasks.monitoring.label_cohorts import Cohort, LabelledWindow, expected_coverage
from tasks.monitoring.persistence import persists

SEEDS = 400
RULE = QualityRule(rows_min=500)


def excess_of(probability, label):
    """Log-loss minus the entropy of the prediction, in nats."""
    expected = -sum(share * math.log(share) for share in (probability, 1 - probability))
    return -math.log(probability if label else 1 - probability) - expected


EXTREMES = tuple(excess_of(0.22, label) for label in (0, 1))  # of a model that predicts 0.22


def days(seed, *, loss=0.0, count=14, rows=200, spread=0.05):
    """Excess losses of days that differ from each other, like stormy and calm days."""
    generator = random.Random(seed)
    return tuple(
        DaySum(rows, rows * (loss + generator.gauss(0, spread)) + generator.gauss(0, rows**0.5)) for _ in range(count)
    )


def judge(window_days, *, reference=0.0, rule=RULE, labelled=1.0, usual=None, extremes=(0.0, 0.0)):
    """`labelled` is the share of each day's predictions that have a label."""
    cohorts = [Cohort(round(day.rows / labelled), day) for day in window_days]
    return judge_quality(LabelledWindow(cohorts, usual, *extremes), reference, rule)


def test_a_loss_at_the_tolerated_bound_fails_no_more_often_than_alpha():
    failed = sum(judge(days(seed, loss=RULE.tolerated)).failed for seed in range(SEEDS))
    assert failed / SEEDS <= RULE.alpha + 0.03


def test_a_loss_well_beyond_the_bound_is_found():
    found = sum(judge(days(seed, loss=0.12)).failed for seed in range(SEEDS))
    assert found / SEEDS > 0.95


def excess_losses_by_day(seed, *, after, log_odds):
    """Eight weeks of a calibrated model with a common shock per day; after day 14 its rows have other predictions.

    `log_odds` are added to the labels' from then on: 0 is a shift of the inputs that harms nothing.
    """
    generator = np.random.default_rng(seed)
    sums = []
    for day in range(56):
        shifted = day >= 14
        probabilities = 1 / (1 + np.exp(-generator.normal(after if shifted else -1.5, 1.0, 300)))
        shock = generator.normal(0, 0.2) + (log_odds if shifted else 0.0)
        rates = 1 / (1 + np.exp(-np.log(probabilities / (1 - probabilities)) - shock))
        labels = (generator.random(300) < rates).astype(float)
        sums.append(DaySum(300, float((log_losses(probabilities, labels) - entropies(probabilities)).sum())))
    return sums


def acts(by_day):
    """Whether a drop of quality persists at the end of any second day, as the monitor judges it."""
    for end in range(28, 57, 2):
        windows = [by_day[since : since + 14] for since in (end - 14, end - 28, end - 42) if since >= 0]
        if judge(windows[0]).failed and persists([judge(window).outcome for window in windows], 2, 3):
            return True
    return False


def test_a_shift_of_the_inputs_that_harms_nothing_leads_to_no_action():
    """The rows become harder, so the loss rises, as much as the predictions themselves expect."""
    actions = [acts(excess_losses_by_day(seed, after=0.0, log_odds=0.0)) for seed in range(200)]
    assert sum(actions) == 0


def test_the_same_shift_with_harm_leads_to_action():
    assert all(acts(excess_losses_by_day(seed, after=-0.5, log_odds=1.0)) for seed in range(20))


def test_rows_of_one_day_count_as_one_observation():
    """A normal test over 20,000 independent rows would call this certain, but rows of one day are dependent."""
    failed = sum(judge(days(s, loss=RULE.tolerated, rows=20_000, spread=0.2)).failed for s in range(SEEDS))
    assert failed / SEEDS <= RULE.alpha + 0.03


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


def test_partly_labelled_days_count_as_unlabelled():
    """The last three of 14 days only have labels of failures: 11 of 14 days are too few."""
    late = [Cohort(200, day) for day in days(1)[:11]] + [Cohort(200, DaySum(44, 44.0)) for _ in range(3)]
    judged = judge_quality(LabelledWindow(late), 0.0, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert judged.statistic is None


def test_labels_missing_beyond_the_usual_share_make_the_verdict_inconclusive():
    steady = tuple(DaySum(200, 200 * value) for value in (0.04, 0.06) * 7)
    assert judge(steady).failed
    assert judge(steady, labelled=0.9, usual=0.9, extremes=EXTREMES).failed  # the usual share is missing
    assert judge(steady, labelled=0.9, usual=0.99, extremes=EXTREMES).outcome is Outcome.INCONCLUSIVE
    calm = tuple(DaySum(200, 200 * value) for value in (0.001, -0.001) * 7)
    assert judge(calm).passed
    assert judge(calm, labelled=0.9, usual=0.99, extremes=EXTREMES).outcome is Outcome.INCONCLUSIVE


def cohorts(generator, *, count=14, rows=80, rate=0.22, calibrated=0.22, failures=1.0, others=1.0):
    """Days of a model that predicts `calibrated` where `rate` is true; these shares of each class get labels."""
    found = []
    for _ in range(count):
        labels = [generator.random() < rate for _ in range(rows)]
        known = [label for label in labels if generator.random() < (failures if label else others)]
        excess = [excess_of(calibrated, label) for label in known]
        found.append(Cohort(rows, DaySum(len(known), math.fsum(excess))))
    return found


@pytest.mark.parametrize("others", [0.0, 0.3, 0.6, 0.8, 0.85, 0.9, 0.95])
def test_labels_of_failures_first_do_not_fail_a_calibrated_model(others):
    """Whatever the share of other labels that are still missing."""
    usual = expected_coverage(cohorts(random.Random(0)), 14)
    judged = [
        judge_quality(LabelledWindow(cohorts(random.Random(1 + seed), others=others), usual, *EXTREMES), 0.0, RULE)
        for seed in range(200)
    ]
    assert sum(each.failed for each in judged) <= 0.05 * len(judged)
    assert others > 0.9 or not any(each.passed for each in judged)  # missing labels may hide a quality drop


@pytest.mark.parametrize("failures", [0.0, 0.5, 0.9])
def test_labels_of_successes_first_never_pass_a_wrong_model(failures):
    usual = expected_coverage(cohorts(random.Random(0)), 14)
    for seed in range(200):
        found = cohorts(random.Random(1 + seed), rate=0.35, failures=failures)
        assert not judge_quality(LabelledWindow(found, usual, *EXTREMES), 0.0, RULE).passed


def test_without_any_labels_the_verdict_is_inconclusive():
    judged = judge_quality(LabelledWindow(cohorts(random.Random(0), failures=0, others=0), 1.0, *EXTREMES), 0.0, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "0%" in judged.reason


def test_an_increase_that_may_be_chance_is_neither_pass_nor_fail():
    uncertain = tuple(DaySum(100, 100 * value) for value in (0.3, -0.2) * 5)
    assert judge(uncertain).outcome is Outcome.INCONCLUSIVE


def test_the_increase_is_relative_to_the_excess_at_acceptance():
    steady = tuple(DaySum(100, 100 * value) for value in (0.10, 0.12) * 5)
    assert judge(steady).failed
    assert judge(steady, reference=0.11).passed
