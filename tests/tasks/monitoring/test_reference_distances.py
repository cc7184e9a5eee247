"""Reference distances: how far the blocks of the reference lie from the rest, and what a window is compared with."""

from datetime import date

import numpy as np

from tasks.monitoring.column_drift import DriftRule, judge_drift
from tasks.monitoring.reference_distances import ReferenceBlocks, block_numbers, measure
from tests.tasks.monitoring.random_days import KINDS, rows


def test_blocks_are_whole_windows_counted_back_from_the_last_day():
    frame = rows(30)
    numbers = block_numbers(frame["event_day"], window_days=7)
    assert np.bincount(numbers + 1).tolist() == [200, 700, 700, 700, 700]
    assert frame["event_day"][numbers == 0].max() == date(2013, 1, 30)
    assert frame["event_day"][numbers == 3].min() == date(2013, 1, 3)


def test_each_block_is_compared_with_the_rest_of_the_reference():
    reference = rows(28)
    reference.loc[reference.index[:700], "x"] += 3.0  # one unusual week
    found = [each for each, _ in ReferenceBlocks.of(reference, KINDS, window_days=7).distances(rows=500)["x"]]
    assert len(found) == 4
    assert max(found) == found[-1] > 1.5


def test_a_small_window_is_compared_with_small_blocks():
    reference = ReferenceBlocks.of(rows(28, per_day=1000), KINDS, window_days=7)
    small, large = (np.mean(reference.distances(rows=count)["x"]) for count in (100, 7000))
    assert small > 3 * large


def measured(window, reference):
    return {column.name: column for column in measure(window, ReferenceBlocks.of(reference, KINDS, window_days=7))}


def test_a_shifted_window_lies_beyond_every_block_and_an_unshifted_one_does_not():
    reference = rows(42)
    assert measured(rows(7, shift=1.0, seed=2), reference)["x"].p_value < 1e-4
    assert measured(rows(7, seed=3), reference)["x"].p_value > 0.01


def test_a_rising_share_of_missing_values_is_drift_though_the_known_values_stay():
    window = rows(7, seed=2)
    window.loc[window.index % 10 == 0, "x"] = np.nan
    found = measured(window, rows(42))
    assert found["x"].p_value > 0.01
    assert found["x (missing)"].distance > 0.1
    verdict = judge_drift("features", tuple(found.values()), 700, DriftRule(rows_min=100))
    assert verdict.failed
    assert "x (missing)" in verdict.reason


def test_windows_of_an_unchanged_stream_seldom_fail():
    rule = DriftRule(rows_min=100)
    failed = 0
    for seed in range(200):
        found = measured(rows(7, seed=seed + 1000), rows(42, seed=seed))
        failed += judge_drift("features", tuple(found.values()), 700, rule).failed
    assert failed / 200 <= 0.05


def test_a_reference_of_one_block_has_no_reference_distances():
    reference = ReferenceBlocks.of(rows(7), KINDS, window_days=7)
    assert reference.distances(rows=100) == {"x": [], "kind": []}
    assert block_numbers(rows(0)["event_day"], window_days=7).size == 0
