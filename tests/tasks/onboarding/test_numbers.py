"""Texts are read as numbers only if nothing is lost, and in the way that their column is written."""

import pandas as pd
import pytest

from tasks.config.table import NumberFormat
from tasks.onboarding.column_types import guess_column
from tasks.onboarding.columns import TextColumn
from tasks.onboarding.numbers import guess_decimal, guess_numbers


def guess(values, decimal=None):
    return guess_numbers(pd.Series(values, dtype=object), decimal)


@pytest.mark.parametrize(
    ("values", "format_", "numbers"),
    [
        (["1,234.50", "12", "1,000,000"], {"thousands": ","}, [1234.5, 12, 1000000]),
        (["1.234,50", "0,5", "12"], {"decimal": ",", "thousands": "."}, [1234.5, 0.5, 12]),
        (["12,5", "0,25"], {"decimal": ","}, [12.5, 0.25]),
        (["1 234,5", "1\u202f234\u00a0567", "7"], {"decimal": ",", "thousands": " "}, [1234.5, 1234567, 7]),
        (["1'234.5", "9"], {"thousands": "'"}, [1234.5, 9]),
        (["$12.00", "-$3", "$-4", "($5.50)"], {"unit": "$"}, [12, -3, -4, -5.5]),
        (["12,50 €", "3 €"], {"decimal": ",", "unit": "€"}, [12.5, 3]),
        (["USD 1,200.5", "USD 7"], {"thousands": ",", "unit": "USD"}, [1200.5, 7]),
        (["R$ 1.000,25", "R$ 2"], {"decimal": ",", "thousands": ".", "unit": "R$"}, [1000.25, 2]),
        (["12%", "0.5 %"], {"unit": "%"}, [12, 0.5]),
        (["1", "-2.5", "+3", "4e2"], None, [1, -2.5, 3, 400]),
    ],
)
def test_numbers_are_read_as_their_column_writes_them(values, format_, numbers):
    found = guess(values)
    assert found.numbers.tolist() == numbers
    assert found.format == (None if format_ is None else NumberFormat(**format_))
    assert found.doubt is None


@pytest.mark.parametrize(
    "values",
    [
        ["0123", "4567"],  # codes
        ["+4930123456", "+4930654321"],  # phone numbers
        ["1E05", "2E10"],
        ["9007199254740992", "9007199254740993"],  # equal as doubles
        ["$12", "€12"],  # two units
        ["12%", "0.12", "13%", "0.13"],
        ["1,2,3", "4,5,6"],
        ["1.2.3", "4.5.6"],  # versions
        ["192.168.0.1", "10.0.0.1"],
        ["12:30", "13:45"],
        ["A12", "A13"],
        ["12 kg", "13 lb"],
        ["1-2", "3-4"],
        ["--", "n/a"],
    ],
)
def test_texts_that_lose_something_as_numbers_stay_text(values):
    assert guess(values) is None


def test_the_largest_whole_numbers_of_a_double_are_numbers():
    assert guess([str(2**53), "-9007199254740992"]).numbers.tolist() == [2.0**53, -(2.0**53)]


@pytest.mark.parametrize(
    ("values", "decimal", "number"), [(["1,234"], None, 1234), (["1,234"], ",", 1.234), (["1.234"], ",", 1234)]
)
def test_a_number_with_two_meanings_follows_the_other_columns_and_says_so(values, decimal, number):
    found = guess(values * 3, decimal)
    assert found.numbers.tolist() == [number] * 3
    assert repr(values[0]) in found.doubt
    assert "`numbers` in pipeline.yaml" in found.notation[-1]


def test_the_decimal_separator_of_a_file_is_that_of_its_unambiguous_columns():
    certain, uncertain = pd.Series(["1,5", "2,25"]), pd.Series(["1.234", "2.500"])
    assert guess_decimal([certain, uncertain]) == ","
    assert guess_decimal([uncertain]) is None
    assert guess_decimal([pd.Series(["1.5"]), uncertain]) == "."
    assert guess_decimal([pd.Series(["a", "12"])]) is None


def test_infinite_numbers_mean_missing_and_the_column_stays_a_column_of_numbers():
    found = guess([*map(str, range(98)), "inf", "-inf"])
    assert found.missing == ("-inf", "inf")
    assert len(found.numbers) == 98


def test_a_reason_says_why_a_column_that_looks_like_numbers_is_text():
    why = guess_column(TextColumn("c", "c", pd.Series(["$12", "€12"] * 9))).why
    assert "different units: '$', '€'" in why
    assert "a number would round" in guess_column(TextColumn("c", "c", pd.Series([str(2**53 + 1)] * 9))).why


PLAIN = {
    "whole": [str(number) for number in range(300)],
    "halves": [f"{number / 2}" for number in range(-150, 150)],
    "doubles": [repr(number / 7 * 10 ** (number % 40 - 20)) for number in range(1, 300)],
    "perhaps thousands": [f"{number}.{number}" for number in range(100, 400)],
    "one with a short fraction": ["1.234"] * 299 + ["1.5"],
    "exponents": ["1e5"] * 300,
    "leading zero": ["1"] * 299 + ["01"],
    "long": ["1"] * 299 + [str(2**53 + 1)],
    "plus": ["+1", "2"] * 150,
    "spaces": [" 1", "2"] * 150,
    "infinite": ["inf", "2", "3"] * 100,
    "a word": ["1"] * 299 + ["one"],
    "hexadecimal": ["1"] * 299 + ["0x10"],
}


@pytest.mark.parametrize("decimal", [None, ".", ","])
@pytest.mark.parametrize("name", PLAIN)
def test_the_short_cut_for_plain_numbers_changes_no_guess(name, decimal, monkeypatch):
    text = pd.Series([*PLAIN[name], None], dtype=object)

    def guess():
        found = guess_numbers(text, decimal)
        if found is None:
            return None, []
        rest = (found.plain.tolist(), found.missing, found.odd.tolist(), found.format, found.doubt)
        return rest, found.numbers.tolist()

    quick, numbers = guess()
    monkeypatch.setattr("tasks.onboarding.numbers._plain_numbers", lambda *_: None)
    slow, others = guess()
    assert quick == slow
    assert numbers == pytest.approx(others, rel=1e-15)  # pandas may miss the nearest double by the last digit
