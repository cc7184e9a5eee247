import pandas as pd
import pytest

from tasks.ingestion.sources.contract_form import parse_times
from tasks.onboarding.times import guess_formats

MOMENTS = pd.Series(pd.date_range("2024-01-25 10:30", periods=40, freq="31h"))


@pytest.mark.parametrize(
    "format_",
    ["%d/%m/%Y", "%m/%d/%Y %H:%M", "%d.%m.%y", "%Y/%m/%d %H:%M:%S", "%d %b %Y", "%B %d, %Y", "%m-%d-%Y %I:%M %p"],
)
def test_times_are_parsed_in_their_own_format(format_):
    text = MOMENTS.dt.strftime(format_)
    found = guess_formats(text)
    assert found is not None
    assert found.ambiguous is None
    assert (parse_times(text, found.formats) == pd.to_datetime(text, format=format_, utc=True)).all()


@pytest.mark.parametrize(("text", "formats"), [("2024-01-25T10:30:00Z", ()), ("1706178600", ("unix_s",))])
def test_iso_8601_and_seconds_since_1970_are_recognised(text, formats):
    found = guess_formats(pd.Series([text] * 3))
    assert found is not None
    assert found.formats == formats


def test_several_formats_in_one_column_are_all_found():
    text = pd.concat([MOMENTS.dt.strftime("%d/%m/%Y"), MOMENTS.dt.strftime("%Y-%m-%d %H:%M"), pd.Series([None])])
    found = guess_formats(text)
    assert found is not None
    assert set(found.formats) == {"%d/%m/%Y", "%Y-%m-%d %H:%M"}


def test_dates_that_fit_both_orders_are_ambiguous_without_a_hint():
    text = pd.Series(["03/04/2024", "05/06/2024"])
    found = guess_formats(text)
    assert found is not None
    assert found.ambiguous == "03/04/2024"
    hinted = guess_formats(text, "month-first")
    assert hinted is not None
    assert (hinted.formats, hinted.ambiguous) == (("%m/%d/%Y",), None)


@pytest.mark.parametrize("texts", [["soon", "later"], ["web", "shop"], [None, None], ["31/31/2024", "01/01/2024"]])
def test_texts_that_are_not_times_have_no_format(texts):
    assert guess_formats(pd.Series(texts, dtype=object)) is None
