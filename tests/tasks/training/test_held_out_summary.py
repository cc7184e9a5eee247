"""Losses per segment and calibration of a candidate on its held-out rows."""

import numpy as np
import pandas as pd
import pytest

from tasks.lake.columns import LABEL
from tasks.training.held_out_summary import SEGMENTS_KEPT, summarise_held_out

ROWS = 4_000


@pytest.fixture
def rows():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"x": rng.normal(size=ROWS), "kind": rng.choice(["a", "b", "rare"], ROWS, p=[0.6, 0.39, 0.01])}
    )
    frame.loc[rng.random(ROWS) < 0.1, "x"] = np.nan
    return frame.assign(**{LABEL: (rng.random(ROWS) < 0.3).astype(float)})


def summary(rows, predictions, candidate, base, **changes):
    return summarise_held_out(rows, rows[["x", "kind"]], predictions, (candidate, base), "log-loss", **changes)


def test_the_segment_in_which_the_model_is_worst_comes_first_with_its_own_mean_losses(rows):
    base = np.full(ROWS, 0.6)
    candidate = np.where(rows["kind"] == "b", 0.7, 0.4)
    found = summary(rows, np.full(ROWS, 0.3), candidate, base)
    first, *others = found.segments
    assert (first.column, first.values, first.rows) == ("kind", "b", int((rows["kind"] == "b").sum()))
    assert (first.loss, first.base_rate_loss, first.gain) == pytest.approx((0.7, 0.6, -0.1))
    assert first.gain_error == pytest.approx(0, abs=1e-9)
    assert all(each.gain >= first.gain for each in others)
    assert ("x", "missing") in {(each.column, each.values) for each in others}
    assert "rare" not in {each.values for each in others}
    assert found.loss == pytest.approx(candidate.mean())
    assert len(found.segments) <= SEGMENTS_KEPT
    assert found.segments_compared == 7  # a, b, four ranges of x, and missing


def test_ranges_of_a_number_contain_every_known_row_once(rows):
    ones = np.ones(ROWS)
    found = [each for each in summary(rows, ones, ones, ones).segments if each.column == "x"]
    assert sum(each.rows for each in found) == ROWS


def test_calibration_shows_what_was_observed_at_each_prediction(rows):
    predictions = np.linspace(0.0, 1.0, ROWS)
    labels = (np.random.default_rng(3).random(ROWS) < predictions).astype(float)
    ones = np.ones(ROWS)
    [curve] = summary(rows.assign(**{LABEL: labels}), predictions, ones, ones).calibration
    assert [point.rows for point in curve.points] == [ROWS // 10] * 10
    assert all(point.observed == pytest.approx(point.predicted, abs=0.07) for point in curve.points)


def test_several_classes_have_a_curve_each(rows):
    labels = np.arange(ROWS) % 3
    predictions = np.full((ROWS, 3), 1 / 3)
    ones = np.ones(ROWS)
    found = summary(rows.assign(**{LABEL: labels}), predictions, ones, ones, classes=("r", "g", 3)).calibration
    assert [curve.name for curve in found] == ["r", "g", "3"]
    assert all(point.observed == pytest.approx(1 / 3, abs=0.01) for curve in found for point in curve.points)
