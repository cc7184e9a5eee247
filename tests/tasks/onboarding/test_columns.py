import numpy as np
import pandas as pd
import pytest

from tasks.onboarding.columns import bounds, guess_column


def guess(values):
    return guess_column("Column", "column", pd.Series(values, dtype=object))


@pytest.mark.parametrize(
    ("values", "type_", "use"),
    [
        (["1", "2.5", "3e2"], "double", True),
        (["True", "False", "true"], "boolean", True),
        (["2024-01-01", "2024-01-02"], "timestamp", True),
        (["web", "shop", "web"], "string", True),
        (["00123", "00456"], "string", True),  # a code: as a number it would be another
        (["7", "7", "7"], "double", False),
        (["DE", "DE"], "string", False),
        ([None, None], "string", False),
        ([f"text {number}" for number in range(60)], "string", False),
    ],
)
def test_a_column_is_what_all_its_texts_can_be_read_as(values, type_, use):
    found = guess(values)
    assert (found.type, found.use) == (type_, use)


def test_marks_for_what_is_missing_leave_a_column_of_numbers():
    found = guess(["1", "?", "2", "n/a", None])
    assert (found.type, found.missing) == ("double", ("?", "n/a"))
    assert "60.0% missing" in found.why


def test_a_few_odd_texts_are_for_quarantine_and_many_make_it_text():
    few = guess([*map(str, range(199)), "broken"])
    assert few.type == "double"
    assert "1 that are none, such as 'broken'" in few.why
    assert guess([*map(str, range(10)), *["none of it"] * 10]).type == "string"


def test_only_what_is_never_missing_in_many_rows_is_required():
    assert guess(["1", "2"] * 200).required
    assert not guess(["1", "2"] * 20).required
    assert not guess([*["1", "2"] * 200, None]).required
    assert not guess([*["1", "2"] * 200, "?"]).required


@pytest.mark.parametrize("law", ["normal", "uniform", "lognormal", "pareto"])
def test_of_the_next_rows_of_the_same_law_all_but_one_in_a_thousand_are_within_bounds(law):
    generator = np.random.default_rng(3)
    draw = {
        "normal": lambda: generator.normal(5, 2, 500),
        "uniform": lambda: generator.uniform(100, 101, 500),
        "lognormal": lambda: generator.lognormal(0, 1.5, 500),
        "pareto": lambda: generator.pareto(1.5, 500),
    }[law]
    outside = []
    for _ in range(200):
        low, high = bounds(pd.Series(draw()))
        following = draw()
        outside.append(((following < low) | (following > high)).mean())
    assert np.mean(outside) < 1e-3


@pytest.mark.parametrize("values", [[123456.0, 123457.0], [0.001, 0.0012], [-5.0, 7.0], [3.0, 3.0], [1e12, 2e12]])
def test_bounds_hold_what_was_seen_and_a_number_that_cannot_be_negative_stays_so(values):
    low, high = bounds(pd.Series(values))
    assert low <= min(values) < max(values) + 1e-9 <= high
    assert (low >= 0) == (min(values) >= 0)
