"""Distances equal Evidently's own functions to 1e-9, also on unusual columns."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.monitoring.distances import columns_of, distance, missing_distance
from tests.examples import examples

ODD = [0.0, -0.0, 1.0, 1e-300, math.nan, math.inf, -math.inf]
floats = st.one_of(
    st.lists(st.floats(-1e6, 1e6) | st.sampled_from(ODD), min_size=1, max_size=60),
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=60),  # ties
    st.lists(st.just(7.25) | st.just(math.nan), min_size=1, max_size=60),  # constant
    st.integers(1, 400).map(lambda count: np.random.default_rng(count).normal(size=count).tolist()),
)
integers = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=60)
categories = st.lists(st.sampled_from(["a", "b", "c", "", "ä", None]), min_size=1, max_size=60)
numbered = st.lists(st.sampled_from([1.0, 0.0, 2.5, None, math.nan, math.inf]), min_size=1, max_size=40)
booleans = st.lists(st.booleans(), min_size=1, max_size=40)


def evidently(current, reference, kind):
    """Evidently's distance, after the cleaning that its report does."""
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    test, type_ = {
        "numeric": (wasserstein_stat_test, ColumnType.Numerical),
        "category": (jensenshannon_stat_test, ColumnType.Categorical),
    }[kind]
    return test(known(reference), known(current), type_, 0.1).drift_score


def known(column):
    with pd.option_context("future.no_silent_downcasting", True):
        return column.replace([-np.inf, np.inf], np.nan).dropna()


def ours(current, reference, kind):
    columns = [columns_of(side.to_frame("x"), {"x": kind})["x"] for side in (current, reference)]
    return distance(*columns)


def agree(current, reference, kind):
    current, reference = pd.Series(current), pd.Series(reference)
    found = ours(current, reference, kind)
    if known(current).empty or known(reference).empty:
        assert found in (0.0, 1.0)
    else:
        assert found == pytest.approx(evidently(current, reference, kind), abs=1e-9, rel=1e-9)


@examples(200)
@given(floats, floats)
def test_distances_of_numbers_equal_evidently(current, reference):
    agree(current, reference, "numeric")


@examples(100)
@given(integers, integers)
def test_distances_of_integers_equal_evidently(current, reference):
    agree(current, reference, "numeric")


@examples(200)
@given(st.one_of(*(st.tuples(values, values) for values in (categories, booleans, numbered))))
def test_distances_of_categories_equal_evidently(pair):
    agree(*(pd.Series(side, dtype="object") for side in pair), "category")


def test_pandas_types_are_accepted():
    numbers = pd.Series([1, 2, None, 4], dtype="Int64"), pd.Series([1, 5, 5, None], dtype="Int64")
    plain = [side.astype("float64") for side in numbers]
    assert ours(*numbers, "numeric") == pytest.approx(evidently(*plain, "numeric"), abs=1e-9)
    for dtype in ("category", "string"):
        texts = pd.Series(["a", "b", None], dtype=dtype), pd.Series(["b", "c", "c"], dtype=dtype)
        assert ours(*texts, "category") == pytest.approx(evidently(*texts, "category"), abs=1e-9)


@pytest.mark.parametrize(
    ("sizes", "kind"), [((5000, 5000), "numeric"), ((5000, 4999), "numeric"), ((9, 5000), "category")]
)
def test_large_samples_of_equal_and_different_sizes(sizes, kind):
    generator = np.random.default_rng(2013)
    draw = generator.normal if kind == "numeric" else lambda size: generator.choice(list("abcdefgh"), size)
    agree(draw(size=sizes[0]), draw(size=sizes[1]), kind)


def test_a_sample_without_values_has_distance_one_from_any_other():
    empty, some = pd.Series([math.nan] * 3), pd.Series([1.0, 2.0])
    assert ours(empty, some, "numeric") == ours(some, empty, "numeric") == 1.0
    assert ours(empty, empty, "numeric") == 0.0


@examples(100)
@given(floats, st.data())
def test_a_part_of_a_column_equals_the_column_of_those_rows(values, data):
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    whole = pd.Series(values)
    for kind in ("numeric", "category"):
        part, alone = (
            columns_of(whole.to_frame("x"), {"x": kind})["x"].only(mask),
            columns_of(whole[mask].to_frame("x"), {"x": kind})["x"],
        )
        assert (part.rows, part.known) == (alone.rows, alone.known)
        assert distance(part, alone) == pytest.approx(0.0, abs=1e-9)


def test_three_percent_of_missing_values_have_distance_one_tenth():
    usual = columns_of(pd.DataFrame({"x": np.arange(100.0)}), {"x": "numeric"})["x"]
    holed = columns_of(pd.DataFrame({"x": np.where(np.arange(100) < 3, np.nan, 1.0)}), {"x": "numeric"})["x"]
    assert missing_distance(holed, usual) == pytest.approx(0.1, abs=0.005)
    assert missing_distance(usual, usual) == 0.0


def test_a_part_of_a_part_is_refused():
    part = columns_of(pd.DataFrame({"x": [1.0, 2.0]}), {"x": "numeric"})["x"].only(np.array([True, False]))
    with pytest.raises(ValueError, match="whole column"):
        part.only(np.array([True]))
