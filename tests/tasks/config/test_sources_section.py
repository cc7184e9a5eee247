"""Settings of the section `sources:`, and their documentation."""

from datetime import date

import pytest
from pydantic import TypeAdapter, ValidationError

from benchmarks.result import PROJECT
from tasks.config.sources_section import (
    FilesEndpoint,
    HttpEndpoint,
    Paging,
    Relation,
    Source,
    SqlEndpoint,
    check_path,
    path_of,
)

SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
HTTP = {"name": "primary", "kind": "http", "url": "http://127.0.0.1"}


def test_the_kind_decides_which_settings_there_are():
    assert isinstance(SOURCE.validate_python(HTTP), HttpEndpoint)
    assert isinstance(SOURCE.validate_python({**HTTP, "kind": "files"}), FilesEndpoint)
    sql = SOURCE.validate_python({**HTTP, "kind": "sql", "tables": {"t": {"keyset": ["id"]}}})
    assert isinstance(sql, SqlEndpoint)
    assert sql.tables["t"] == Relation(keyset=("id",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ftp"}, "'http', 'files', 'sql'"),
        ({"page_rows": 5}, "unknown key 'page_rows'"),
        ({"name": "../primary"}, "match pattern"),
        ({"tables": {"t": "/t.csv"}}, "lacks {day}"),
        ({"tables": {"t": "/{dya}/{day}.csv"}}, "found 'dya'"),
        ({"paging": {"by": "cursor"}}, "paging by cursor needs field"),
        ({"paging": {"by": "page", "size_parameter": "limit"}}, "no size to send"),
        ({"kind": "sql", "tables": {"t": {"query": "select 1"}}}, "query lacks :since"),
        ({"kind": "sql", "tables": {"t": {"query": ":since :until", "table": "t"}}}, "found both"),
    ],
)
def test_invalid_settings_of_a_source_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        SOURCE.validate_python({**HTTP, **change})


def test_a_path_writes_the_day_in_the_given_format():
    assert path_of("/{table}/{day}.csv", "t", date(2013, 3, 1)) == "/t/2013-03-01.csv"
    assert path_of("{day:%Y/%j}", "t", date(2013, 3, 1)) == "2013/060"
    check_path("{day:%Y}/{day:%m}/{day:%d}.csv")


def test_every_setting_of_a_source_is_documented():
    page = (PROJECT / "docs/sources.md").read_text()
    for section in (HttpEndpoint, FilesEndpoint, SqlEndpoint, Paging, Relation):
        assert [name for name in section.model_fields if f"`{name}`" not in page] == []
