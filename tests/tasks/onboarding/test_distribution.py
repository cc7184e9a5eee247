"""Shares of a column's values: they sum to one, and a long tail does not hide the rest."""

import numpy as np
import pandas as pd
import pytest

from tasks.onboarding.distribution import numbers_distribution, texts_distribution, times_distribution


def shares(found):
    return [bar.share for bar in found.bars]


def test_a_few_whole_numbers_have_one_bar_each():
    found = numbers_distribution(pd.Series([1.0, 3.0, 3.0, 4.0]))
    assert [(bar.label, bar.share) for bar in found.bars] == [("1", 0.25), ("2", 0.0), ("3", 0.5), ("4", 0.25)]
    assert (found.is_ordered, found.highest) == (True, 0.5)


def test_the_tail_of_a_heavy_tailed_column_is_in_the_last_bar_which_names_the_largest_value():
    values = np.random.default_rng(0).lognormal(0, 3, 20_000)
    found = numbers_distribution(pd.Series(values))
    assert sum(shares(found)) == pytest.approx(1)
    assert found.bars[-1].label.endswith(f"{values.max():.4g}")
    assert sum(share > 0.002 for share in shares(found)) > 5


@pytest.mark.parametrize("values", [[], [np.nan, np.inf], [2.5, 2.5]])
def test_without_two_different_numbers_there_is_no_histogram(values):
    assert numbers_distribution(pd.Series(values, dtype="float64")) is None


def test_times_have_ranges_of_equal_length():
    found = times_distribution(pd.Series(pd.date_range("2024-01-01", periods=2_400, freq="h", tz="UTC")))
    assert len(found.bars) == 24
    assert shares(found) == pytest.approx([1 / 24] * 24, abs=0.001)
    assert found.bars[0].label == "2024-01-01 to 2024-01-05"


def test_rare_texts_share_a_bar():
    found = texts_distribution(pd.Series([*"aaaabbb", *"cdefghij"]))
    assert [bar.label for bar in found.bars] == ["a", "b", "c", "d", "e", "f", "4 others"]
    assert sum(shares(found)) == pytest.approx(1)
    assert not found.is_ordered
