"""The reference's own blocks say how far is usual."""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from healing.drift import DriftRule, judge_drift
from tasks.monitoring.checks.drift import Reference, block_numbers, measure, write_report

KINDS = {"x": "numeric", "kind": "category"}


def rows(days, *, shift=0.0, seed=0, a_day=100):
    generator = np.random.default_rng(seed)
    count = days * a_day
    return pd.DataFrame(
        {
            "event_day": np.repeat([date(2013, 1, 1) + timedelta(days=d) for d in range(days)], a_day),
            "x": generator.normal(size=count) + shift,
            "kind": generator.choice(["a", "b", "c"], count),
        }
    )


def test_blocks_are_whole_windows_counted_back_from_the_last_day():
    frame = rows(30)
    numbers = block_numbers(frame["event_day"], window_days=7)
    assert np.bincount(numbers + 1).tolist() == [200, 700, 700, 700, 700]
    assert frame["event_day"][numbers == 0].max() == date(2013, 1, 30)
    assert frame["event_day"][numbers == 3].min() == date(2013, 1, 3)


def test_each_block_is_held_against_the_rest_of_the_reference():
    reference = rows(28)
    reference.loc[reference.index[:700], "x"] += 3.0  # one odd week
    nulls = [null for null, _ in Reference.of(reference, KINDS, window_days=7).nulls(rows=500)["x"]]
    assert len(nulls) == 4
    assert max(nulls) == nulls[-1] > 1.5


def test_a_small_window_is_held_against_small_blocks():
    reference = Reference.of(rows(28, a_day=1000), KINDS, window_days=7)
    small, large = (np.mean(reference.nulls(rows=count)["x"]) for count in (100, 7000))
    assert small > 3 * large


def measured(window, reference):
    return {column.name: column for column in measure(window, Reference.of(reference, KINDS, window_days=7))}


def test_a_shifted_window_lies_beyond_every_block_and_an_unshifted_one_does_not():
    reference = rows(42)
    assert measured(rows(7, shift=1.0, seed=2), reference)["x"].p_value < 1e-4
    assert measured(rows(7, seed=3), reference)["x"].p_value > 0.01


def test_a_column_that_goes_missing_is_seen_though_its_values_stay_as_they_were():
    window = rows(7, seed=2)
    window.loc[window.index % 10 == 0, "x"] = np.nan
    found = measured(window, rows(42))
    assert found["x"].p_value > 0.01
    assert found["x (missing)"].distance > 0.1
    verdict = judge_drift("features", tuple(found.values()), 700, DriftRule(rows_min=100))
    assert verdict.failed
    assert "x (missing)" in verdict.reason


def test_windows_of_an_unchanged_stream_seldom_alarm():
    rule = DriftRule(rows_min=100)
    alarms = 0
    for seed in range(200):
        found = measured(rows(7, seed=seed + 1000), rows(42, seed=seed))
        alarms += judge_drift("features", tuple(found.values()), 700, rule).failed
    assert alarms / 200 <= 0.05


def test_the_report_is_one_file_that_opens_by_itself(tmp_path):
    path = write_report(rows(7, shift=1.0), rows(28), KINDS, tmp_path / "new" / "report.html")
    assert "<html" in path.read_text(encoding="utf-8")[:2000]


def test_a_column_that_went_missing_altogether_does_not_keep_the_others_from_being_seen(tmp_path):
    path = write_report(rows(7).assign(x=np.nan), rows(28), KINDS, tmp_path / "report.html")
    assert "<html" in path.read_text(encoding="utf-8")[:2000]


def test_a_reference_of_one_block_has_nothing_to_compare_it_with():
    reference = Reference.of(rows(7), KINDS, window_days=7)
    assert reference.nulls(rows=100) == {"x": [], "kind": []}
    assert block_numbers(rows(0)["event_day"], window_days=7).size == 0
