"""A sample keeps the share of each day and class, and does not depend on the order of the rows."""

import numpy as np
import pandas as pd
import pytest

from tasks.evaluation.row_sample import RowSample, sample_positions


def frame(seed: int, rows: int = 5_000) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    days = np.sort(generator.integers(0, 30, rows))
    labels = generator.random(rows) < 0.03
    return pd.DataFrame({"id": [f"r{row}" for row in range(rows)], "day": days, "label": labels.astype(float)})


def sample(rows: pd.DataFrame, rows_max: int) -> pd.DataFrame:
    return rows.iloc[sample_positions(rows["id"], [rows["day"], rows["label"]], rows_max)]


@pytest.mark.parametrize("seed", range(3))
def test_each_day_and_each_class_keeps_its_share_to_within_a_row(seed):
    rows = frame(seed)
    found = sample(rows, 1_300)
    assert len(found) == 1_300
    assert found.index.is_monotonic_increasing
    for columns in (["day"], ["day", "label"]):
        expected = rows.groupby(columns).size() * 0.26
        counts = found.groupby(columns).size().reindex(expected.index, fill_value=0)
        assert (counts - expected).abs().max() <= 1.0


def test_the_sample_depends_on_the_rows_and_not_on_their_order():
    rows = frame(0)
    shuffled = rows.sample(frac=1, random_state=1)
    assert set(sample(rows, 700)["id"]) == set(sample(shuffled, 700)["id"])


def test_the_rows_of_a_stratum_are_chosen_by_their_keys_and_not_by_their_place():
    rows = frame(1, 4_000).assign(day=0, label=0.0)
    places = sample_positions(rows["id"], [rows["day"]], 400)
    assert abs(places.mean() - 2_000) < 5 * 4_000 / np.sqrt(12 * 400)
    assert np.diff(places).std() > 5  # at equal distances it would be 0


def test_few_rows_are_all_used():
    assert sample_positions(pd.Series(["a", "b"]), [pd.Series([1, 2])], 2).tolist() == [0, 1]
    assert sample_positions(pd.Series([], dtype=object), [pd.Series([], dtype=float)], 2).tolist() == []
    assert RowSample(2, 2).is_whole
    assert RowSample(0, 0).share == 1.0
