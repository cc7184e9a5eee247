"""Rows of a source that has its own names, its own dates and its own marks for what is missing."""

import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.config.pipeline import Table
from tasks.ingestion.sources.contract_form import in_contract_form, parse_times

TABLE = Table(
    role="batch",
    key=("id",),
    event_time="at",
    columns={"id": "string", "at": "timestamp", "price": "double"},
    source_names={"at": "Sold At", "price": "Price (€)"},
    formats={"at": ("%d/%m/%Y %H:%M", "%d.%m.%Y")},
    missing={"price": ("?", "n/a")},
)


def test_names_dates_and_missing_marks_come_out_as_the_contract_says():
    rows = pd.DataFrame({"id": ["a", "b"], "Sold At": ["31/12/2013 09:30", "01.02.2014"], "Price (€)": ["?", "2.5"]})
    found = in_contract_form(TABLE, rows)
    assert list(found.columns) == ["id", "at", "price"]
    assert found["at"].tolist() == ["2013-12-31T09:30:00.000000+00:00", "2014-02-01T00:00:00.000000+00:00"]
    assert found["price"].tolist() == [None, "2.5"]
    assert list(rows.columns) == ["id", "Sold At", "Price (€)"]


def test_a_time_that_no_format_fits_stays_for_the_contract_to_find():
    rows = pd.DataFrame({"id": ["a", "b"], "at": ["31/31/2013 09:30", None], "price": ["1", "2"]})
    assert in_contract_form(TABLE, rows)["at"].tolist() == ["31/31/2013 09:30", None]


def test_rows_of_a_source_in_the_contracts_own_words_are_left_alone():
    plain = Table(role="batch", key=("id",), event_time="at", columns={"id": "string", "at": "timestamp"})
    rows = pd.DataFrame({"id": ["a"], "at": ["2013-01-01"]})
    assert in_contract_form(plain, rows) is rows


@pytest.mark.parametrize(
    ("text", "formats"),
    [("1357034400", ("unix_s",)), ("1357034400000", ("unix_ms",)), ("01.01.2013 10:00", ("%d.%m.%Y %H:%M",))],
)
def test_an_instant_is_read_however_it_is_written(text, formats):
    [instant] = parse_times(pd.Series([text], dtype=object), formats)
    assert instant == pd.Timestamp("2013-01-01 10:00", tz="UTC")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_names": {"prize": "Price"}}, "source_names names column 'prize'"),
        ({"formats": {"price": ("%d",)}}, "'price' is a double"),
        ({"missing": {"prize": ("?",)}}, "missing names column 'prize'"),
    ],
)
def test_what_is_said_of_a_column_that_there_is_not_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Table(**{**TABLE.model_dump(), **change})
