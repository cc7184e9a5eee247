"""Faults of values against what blocks show by themselves, over seeds, and batches that were kept out."""

import random

import pytest

from healing.data_quality import DataRule, Fault, FaultShare, Intake, judge_batches, judge_data
from healing.verdict import Outcome

SEEDS = 300
RULE = DataRule(rows_min=1000)


def shares(seed, *, usual=0.1, spread=0.02, rise=0.0, columns=12, blocks=8):
    """Columns whose share of missing values wanders from block to block; in the first it has risen."""
    generator = random.Random(seed)

    def share():
        return min(1.0, max(0.0, generator.gauss(usual, spread)))

    return [
        FaultShare(
            f"c{number}",
            Fault.MISSING,
            min(1.0, share() + (rise if number == 0 else 0.0)),
            tuple(share() for _ in range(blocks)),
        )
        for number in range(columns)
    ]


def failed(**world):
    return sum(judge_data(shares(seed, **world), 5000, RULE).failed for seed in range(SEEDS)) / SEEDS


@pytest.mark.parametrize(("usual", "spread"), [(0.0, 0.0), (0.1, 0.03), (0.75, 0.1)])  # gusts of wind are the last
def test_what_wanders_by_itself_raises_an_alarm_no_more_often_than_alpha(usual, spread):
    assert failed(usual=usual, spread=spread) <= RULE.alpha + 0.02


def test_a_column_that_goes_missing_is_found():
    assert failed(usual=0.02, spread=0.01, rise=0.3) > 0.95
    judged = judge_data(shares(1, usual=0.0, spread=0.0, rise=0.3), 5000, RULE)
    assert judged.reason == "1 faults rose: c0 missing 30.0% (was 0.0%)"


def test_a_significant_rise_that_nobody_would_act_on_passes():
    assert judge_data(shares(1, usual=0.0, spread=0.0, rise=0.04), 5000, RULE).passed


def test_small_windows_and_few_blocks_are_inconclusive():
    assert judge_data(shares(1, rise=0.9), 999, RULE).outcome is Outcome.INCONCLUSIVE
    assert judge_data(shares(1, rise=0.9, blocks=3), 5000, RULE).outcome is Outcome.INCONCLUSIVE
    assert judge_data([], 5000, RULE).outcome is Outcome.INCONCLUSIVE


def test_batches_that_were_kept_out_are_bad_data():
    well = Intake("flights", batches=7, rejected=0, rows=7000, kept_out=10)
    assert judge_batches([well], 0.05).passed
    rejected = Intake("outcomes", batches=7, rejected=1, rows=7000, kept_out=1000)
    judged = judge_batches([well, rejected], 0.05)
    assert judged.failed
    assert judged.reason == "14.3% of outcomes's 7000 rows kept out, 1 of 7 batches"


def test_a_table_without_batches_is_no_pass():
    silent = Intake("outcomes", 0, 0, 0, 0)
    well = Intake("flights", 7, 0, 7000, 0)
    assert judge_batches([well, silent], 0.05).outcome is Outcome.INCONCLUSIVE
    assert judge_batches([], 0.05).outcome is Outcome.INCONCLUSIVE
