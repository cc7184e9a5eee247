"""Rows of a source with its own column names, time formats and marks for missing values."""

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


def test_names_times_and_missing_marks_are_converted():
    rows = pd.DataFrame({"id": ["a", "b"], "Sold At": ["31/12/2013 09:30", "01.02.2014"], "Price (€)": ["?", "2.5"]})
    found = in_contract_form(TABLE, rows)
    assert list(found.columns) == ["id", "at", "price"]
    assert found["at"].tolist() == ["2013-12-31T09:30:00.000000+00:00", "2014-02-01T00:00:00.000000+00:00"]
    assert found["price"].tolist() == [None, "2.5"]
    assert list(rows.columns) == ["id", "Sold At", "Price (€)"]


def test_a_time_that_fits_no_format_stays_as_it_is():
    rows = pd.DataFrame({"id": ["a", "b"], "at": ["31/31/2013 09:30", None], "price": ["1", "2"]})
    assert in_contract_form(TABLE, rows)["at"].tolist() == ["31/31/2013 09:30", None]


def test_rows_in_the_form_of_the_contract_are_returned_unchanged():
    plain = Table(role="batch", key=("id",), event_time="at", columns={"id": "string", "at": "timestamp"})
    rows = pd.DataFrame({"id": ["a"], "at": ["2013-01-01"]})
    assert in_contract_form(plain, rows) is rows


@pytest.mark.parametrize(
    ("text", "formats"),
    [("1357034400", ("unix_s",)), ("1357034400000", ("unix_ms",)), ("01.01.2013 10:00", ("%d.%m.%Y %H:%M",))],
)
def test_an_instant_is_read_in_every_format(text, formats):
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
def test_a_setting_for_an_unknown_or_unsuitable_column_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Table(**{**TABLE.model_dump(), **change})
