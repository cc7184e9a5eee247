"""Shares of faulty values compared with the reference blocks, over seeds."""

import random

import pytest

from healing.verdict import Outcome
from tasks.monitoring.checks.data_quality import DataRule, FaultShare, ValueFault, judge_data

SEEDS = 300
RULE = DataRule(rows_min=1000)


def shares(seed, *, usual=0.1, spread=0.02, rise=0.0, columns=12, blocks=8):
    """Columns whose share of missing values varies between blocks; in the first column it rose."""
    generator = random.Random(seed)

    def share():
        return min(1.0, max(0.0, generator.gauss(usual, spread)))

    return [
        FaultShare(
            f"c{number}",
            ValueFault.MISSING,
            min(1.0, share() + (rise if number == 0 else 0.0)),
            tuple(share() for _ in range(blocks)),
        )
        for number in range(columns)
    ]


def failed(**world):
    return sum(judge_data(shares(seed, **world), 5000, RULE).failed for seed in range(SEEDS)) / SEEDS


@pytest.mark.parametrize(("usual", "spread"), [(0.0, 0.0), (0.1, 0.03), (0.75, 0.1)])  # the last is like wind gusts
def test_shares_that_vary_without_a_rise_fail_at_most_as_often_as_alpha(usual, spread):
    assert failed(usual=usual, spread=spread) <= RULE.alpha + 0.02


def test_a_column_that_goes_missing_is_found():
    assert failed(usual=0.02, spread=0.01, rise=0.3) > 0.95
    judged = judge_data(shares(1, usual=0.0, spread=0.0, rise=0.3), 5000, RULE)
    assert judged.reason == "1 fault shares rose: c0 missing 30.0% (was 0.0%)"


def test_a_significant_rise_within_the_tolerance_passes():
    assert judge_data(shares(1, usual=0.0, spread=0.0, rise=0.04), 5000, RULE).passed


def test_small_windows_and_few_blocks_are_inconclusive():
    assert judge_data(shares(1, rise=0.9), 999, RULE).outcome is Outcome.INCONCLUSIVE
    assert judge_data(shares(1, rise=0.9, blocks=3), 5000, RULE).outcome is Outcome.INCONCLUSIVE
    assert judge_data([], 5000, RULE).outcome is Outcome.INCONCLUSIVE


def test_the_p_value_has_the_value_that_the_t_distribution_gives():
    """Computed once with an independent implementation of Student's t."""
    even = FaultShare("x", ValueFault.MISSING, 0.3, (0.1, 0.12, 0.08, 0.1, 0.11, 0.09))
    uneven = FaultShare("x", ValueFault.MISSING, 0.9, (0.7, 0.82, 0.78, 0.75))
    assert even.p_value == pytest.approx(0.0001235465831354332, rel=1e-9)
    assert uneven.p_value == pytest.approx(0.046603690573654794, rel=1e-9)
