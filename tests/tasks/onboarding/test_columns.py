import numpy as np
import pandas as pd
import pytest

from tasks.onboarding.column_types import guess_column
from tasks.onboarding.columns import TextColumn, plain_names
from tasks.onboarding.numbers import number_bounds


def guess(values):
    return guess_column(TextColumn("Column", "column", pd.Series(values, dtype=object)))


@pytest.mark.parametrize(
    ("values", "type_", "use"),
    [
        (["1", "2.5", "3e2"], "double", True),
        (["True", "False", "true"], "boolean", True),
        (["2024-01-01", "2024-01-02"], "timestamp", True),
        (["web", "shop", "web"], "string", True),
        (["00123", "00456"], "string", True),  # a code, which loses its zeros as a number
        (["7", "7", "7"], "double", False),
        (["DE", "DE"], "string", False),
        ([None, None], "string", False),
        ([f"text {number}" for number in range(60)], "string", False),
    ],
)
def test_a_column_has_the_type_that_fits_all_its_texts(values, type_, use):
    found = guess(values)
    assert (found.type, found.use) == (type_, use)


def test_markers_of_missing_values_do_not_make_a_column_of_numbers_text():
    found = guess(["1", "?", "2", "n/a", None])
    assert (found.type, found.missing) == ("double", ("?", "n/a"))
    assert "60.0% missing" in found.why


def test_a_few_other_texts_are_quarantined_and_many_make_the_column_text():
    few = guess([*map(str, range(199)), "broken"])
    assert few.type == "double"
    assert "1 other texts, such as 'broken', are quarantined" in few.why
    assert guess([*map(str, range(10)), *["none of it"] * 10]).type == "string"


def test_a_column_is_required_only_if_no_value_is_missing_in_many_rows():
    assert guess(["1", "2"] * 200).required
    assert not guess(["1", "2"] * 20).required
    assert not guess([*["1", "2"] * 200, None]).required
    assert not guess([*["1", "2"] * 200, "?"]).required


@pytest.mark.parametrize("distribution", ["normal", "uniform", "lognormal", "pareto"])
def test_fewer_than_one_in_a_thousand_further_rows_of_the_same_distribution_are_out_of_bounds(distribution):
    generator = np.random.default_rng(3)
    draw = {
        "normal": lambda: generator.normal(5, 2, 500),
        "uniform": lambda: generator.uniform(100, 101, 500),
        "lognormal": lambda: generator.lognormal(0, 1.5, 500),
        "pareto": lambda: generator.pareto(1.5, 500),
    }[distribution]
    outside = []
    for _ in range(200):
        low, high = number_bounds(pd.Series(draw()))
        following = draw()
        outside.append(((following < low) | (following > high)).mean())
    assert np.mean(outside) < 1e-3


@pytest.mark.parametrize("values", [[123456.0, 123457.0], [0.001, 0.0012], [-5.0, 7.0], [3.0, 3.0], [1e12, 2e12]])
def test_bounds_contain_the_observed_numbers_and_stay_positive_if_all_numbers_are(values):
    low, high = number_bounds(pd.Series(values))
    assert low <= min(values) < max(values) + 1e-9 <= high
    assert (low >= 0) == (min(values) >= 0)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("amount", "amount"),
        ("Order ID", "order_id"),
        ("Größe (cm)", "grosse_cm"),
        ("1st visit", "c_1st_visit"),
        ("  %  ", "column_1"),
        ("価格", "column_1"),
        ("", "column_1"),
        ("label", "label_2"),  # the system adds a column of that name
    ],
)
def test_a_name_becomes_lower_case_ascii_and_not_reserved(name, plain):
    assert plain_names([name]) == {name: plain}


def test_names_that_differ_only_in_case_stay_different():
    assert plain_names(["Price", "price", "PRICE "]) == {"Price": "price", "price": "price_2", "PRICE ": "price_3"}


def test_only_the_label_may_be_called_label():
    assert plain_names(["Label", "label"], "Label") == {"Label": "label", "label": "label_2"}
    assert plain_names(["label", "prediction"], "prediction") == {"label": "label_2", "prediction": "prediction_2"}
