"""The coverage that a window of usual days is expected to have."""

import random

import pytest

from tasks.evaluation.clustered import DaySum
from tasks.monitoring.label_cohorts import Cohort, LabelledWindow, expected_coverage


@pytest.mark.parametrize(("storms", "most"), [(0.0, 0.09), (0.1, 0.25)])
def test_windows_of_usual_days_have_the_expected_coverage(storms, most):
    """A reference of 14 days often has no storm, which cancels a fifth; verdicts are then only more careful."""

    def day(generator):
        gone = 0.2 if generator.random() < storms else 0.03
        return Cohort(500, DaySum(sum(generator.random() > gone for _ in range(500)), 0.0))

    below = 0
    for seed in range(200):
        generator = random.Random(seed)
        usual = expected_coverage([day(generator) for _ in range(14)], 14)
        below += LabelledWindow([day(generator) for _ in range(14)]).coverage < usual
    assert below / 200 <= most
    assert expected_coverage([day(random.Random(1))], 14) is None


def test_the_expected_coverage_has_the_value_that_the_t_quantile_gives():
    """Computed once with an independent implementation of Student's t."""
    labelled = (97, 99, 95, 100, 96, 98, 97)
    cohorts = [Cohort(100, DaySum(rows, 0.0)) for rows in labelled]
    assert expected_coverage(cohorts, 14) == pytest.approx(0.9588297572622799, rel=1e-9)
