"""Drift is judged against how far the reference drifts by itself: alarms over seeds, and rules by table."""

import random
from datetime import date

import pytest

from healing.drift import (
    Checks,
    ColumnDistance,
    CoolDown,
    Diagnosis,
    DriftRule,
    Persistence,
    act_on,
    diagnose,
    holm,
    judge_drift,
    persists,
)
from healing.verdict import Outcome, Verdict

SEEDS = 300
RULE = DriftRule(rows_min=100, distance_min=0.0)


def verdict(outcome, statistic=0.1):
    return Verdict("some", outcome, "because", observations=1000, statistic=statistic)


PASS, FAIL = verdict(Outcome.PASS), verdict(Outcome.FAIL)
UNMEASURED = verdict(Outcome.INCONCLUSIVE, statistic=None)


def block_distance(generator, dimensions=1):
    """How far a block of a wandering stream lies from its mean: the length of a normal vector."""
    return sum(generator.gauss(0, 0.3) ** 2 for _ in range(dimensions)) ** 0.5


def columns(generator, *, moved=0.0, dimensions=1, count=12, blocks=8):
    return [
        ColumnDistance(
            f"column{number}",
            block_distance(generator, dimensions) + (moved if number == 0 else 0.0),
            tuple(block_distance(generator, dimensions) for _ in range(blocks)),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_an_unchanged_stream_raises_an_alarm_no_more_often_than_alpha(dimensions):
    alarms = sum(
        judge_drift("features", columns(random.Random(seed), dimensions=dimensions), 1000, RULE).failed
        for seed in range(SEEDS)
    )
    assert alarms / SEEDS <= RULE.alpha + 0.03  # three standard errors of a share of 5 % in 300


def test_a_large_shift_of_one_column_among_twelve_is_found():
    found = sum(judge_drift("features", columns(random.Random(s), moved=4.0), 1000, RULE).failed for s in range(SEEDS))
    assert found / SEEDS > 0.95


def test_the_threshold_is_the_distance_at_its_p_value():
    column = ColumnDistance("x", 0.5, (0.1, 0.2, 0.3, 0.15, 0.25))
    at_threshold = ColumnDistance("x", column.threshold(0.01), column.nulls)
    assert at_threshold.p_value == pytest.approx(0.01)


def test_a_significant_but_immaterial_shift_passes():
    tiny = [ColumnDistance("x", 0.05, (0.001, 0.002, 0.001, 0.002, 0.001))]
    judged = judge_drift("features", tiny, 1000, DriftRule(rows_min=100))
    assert judged.passed
    assert judged.threshold is not None
    assert judged.threshold >= 0.1


def test_a_small_window_is_inconclusive_however_far_it_lies():
    far = [ColumnDistance("x", 9.0, (0.1,) * 6)]
    assert judge_drift("features", far, 99, RULE).outcome is Outcome.INCONCLUSIVE


def test_too_few_reference_blocks_are_inconclusive():
    judged = judge_drift("features", [ColumnDistance("x", 9.0, (0.1, 0.2, 0.3))], 1000, RULE)
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert "3 blocks" in judged.reason


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.01, "b": 0.03, "c": 0.02}, alpha=0.05) == {"a", "b", "c"}
    assert holm({"a": 0.01, "b": 0.02, "c": 0.2}, alpha=0.05) == {"a", "b"}
    assert holm({}, alpha=0.05) == frozenset()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("", False),
        ("F", False),
        ("FF", True),
        ("FPF", True),
        ("PFF", False),  # the newest does not fail
        ("FPPF", False),  # the second failure is too old
        ("FIF", True),
    ],
)
def test_a_failure_counts_once_two_of_three_windows_show_it(outcomes, expected):
    names = {"F": Outcome.FAIL, "P": Outcome.PASS, "I": Outcome.INCONCLUSIVE}
    assert persists([names[letter] for letter in outcomes], needed=2, among=3) is expected


@pytest.mark.parametrize(
    ("features", "predictions", "quality", "expected"),
    [
        ((PASS,), (PASS,), (PASS,), Diagnosis.NOTHING),
        ((FAIL, FAIL, FAIL), (FAIL, FAIL, FAIL), (PASS,), Diagnosis.SEASONAL),  # labels outrank drift
        ((FAIL,), (PASS,), (verdict(Outcome.INCONCLUSIVE),), Diagnosis.SEASONAL),
        ((PASS,), (PASS,), (FAIL, FAIL), Diagnosis.QUALITY_DROP),
        ((FAIL,), (FAIL,), (FAIL, PASS, PASS), Diagnosis.UNDECIDED),  # one bad window is not yet a loss
        ((FAIL, FAIL), (FAIL, FAIL), (UNMEASURED,), Diagnosis.DATA_DRIFT),  # no label can tell
        ((FAIL, FAIL), (PASS, PASS), (UNMEASURED,), Diagnosis.UNDECIDED),
        ((FAIL, PASS), (FAIL, PASS), (UNMEASURED,), Diagnosis.UNDECIDED),
        ((PASS,), (PASS,), (UNMEASURED,), Diagnosis.NOTHING),
        ((UNMEASURED,), (UNMEASURED,), (UNMEASURED,), Diagnosis.UNDECIDED),
        ((), (), (), Diagnosis.UNDECIDED),
    ],
)
def test_diagnosis(features, predictions, quality, expected):
    assert diagnose(Checks(features, predictions, quality), Persistence(2, 3)) is expected


def test_only_loss_of_quality_and_unlabelled_drift_call_for_action():
    acting = {diagnosis for diagnosis in Diagnosis if diagnosis.calls_for_action}
    assert acting == {Diagnosis.QUALITY_DROP, Diagnosis.DATA_DRIFT}


def test_a_failure_that_is_not_acted_on_is_inconclusive_and_keeps_its_numbers():
    kept = act_on(FAIL, calls=False, why_not="seasonal")
    assert kept.outcome is Outcome.INCONCLUSIVE
    assert kept.reason == "seasonal: because"
    assert kept.statistic == FAIL.statistic
    assert act_on(FAIL, calls=True, why_not="seasonal") is FAIL
    assert act_on(PASS, calls=False, why_not="seasonal") is PASS


def test_a_cool_down_follows_acceptance_and_the_last_action():
    cool_down = CoolDown(days=14)
    assert cool_down.ends(date(2013, 3, 1), None) == date(2013, 3, 15)
    assert cool_down.ends(date(2013, 3, 1), date(2013, 6, 1)) == date(2013, 6, 15)
