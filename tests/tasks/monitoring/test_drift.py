"""Distances are Evidently's own, and the reference's blocks say how far is usual."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from healing.drift import DriftRule, judge_drift
from tasks.monitoring.drift import blocks_of, distances, leave_one_block_out, measure, write_report

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


def test_distances_are_those_of_evidentlys_report():
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    current, reference = rows(7, shift=0.4, seed=1), rows(28)
    current.loc[:20, "x"] = np.nan
    definition = DataDefinition(numerical_columns=["x"], categorical_columns=["kind"])
    metrics = [ValueDrift(column="x", method="wasserstein"), ValueDrift(column="kind", method="jensenshannon")]
    snapshot = Report(metrics, include_tests=False).run(
        Dataset.from_pandas(current[list(KINDS)], data_definition=definition),
        Dataset.from_pandas(reference[list(KINDS)], data_definition=definition),
    )
    reported = [result.value for result in snapshot.metric_results.values()]
    assert list(distances(current, reference, KINDS).values()) == pytest.approx(reported, abs=1e-9)


def test_a_column_without_values_is_as_far_as_can_be():
    empty = rows(7).assign(x=np.nan)
    assert distances(empty, rows(28), KINDS)["x"] == 1.0


def test_blocks_are_whole_windows_counted_back_from_the_last_day():
    blocks = blocks_of(rows(30), window_days=7)
    assert [len(block) for block in blocks] == [700] * 4
    assert max(blocks[0]["event_day"]) == date(2013, 1, 30)
    assert min(blocks[-1]["event_day"]) == date(2013, 1, 3)


def test_each_block_is_held_against_the_rest_of_the_reference():
    reference = rows(28)
    reference.loc[reference.index[:700], "x"] += 3.0  # one odd week
    nulls = leave_one_block_out(reference, KINDS, window_days=7, rows=500)
    assert len(nulls["x"]) == 4
    assert max(nulls["x"]) == nulls["x"][-1] > 1.5


def test_a_shifted_window_lies_beyond_every_block_and_an_unshifted_one_does_not(tmp_path):
    reference = rows(42)
    far = measure(rows(7, shift=1.0, seed=2), reference, KINDS, 7, tmp_path / "nulls")
    near = measure(rows(7, seed=3), reference, KINDS, 7, tmp_path / "nulls")
    assert far[0].p_value < 1e-4
    assert near[0].p_value > 0.01


def test_windows_of_an_unchanged_stream_seldom_alarm(tmp_path):
    rule = DriftRule(rows_min=100)
    alarms = 0
    for seed in range(200):
        measured = measure(rows(7, seed=seed + 1000), rows(42, seed=seed), KINDS, 7, tmp_path / str(seed))
        alarms += judge_drift("features", measured, 700, rule).failed
    assert alarms / 200 <= 0.05


def test_thresholds_are_learned_once_a_model(tmp_path):
    reference = rows(42)
    first = measure(rows(7, seed=2), reference, KINDS, 7, tmp_path / "nulls")
    again = measure(rows(7, seed=2), rows(7, shift=9.0), KINDS, 7, tmp_path / "nulls")  # another reference: not asked
    assert [column.nulls for column in again] == [column.nulls for column in first]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_report_is_one_file_that_opens_by_itself(tmp_path):
    path = write_report(rows(7, shift=1.0), rows(28), KINDS, tmp_path / "new" / "report.html")
    assert "<html" in path.read_text(encoding="utf-8")[:2000]
