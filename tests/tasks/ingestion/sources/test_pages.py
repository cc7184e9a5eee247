"""Pages of a batch, for each way of paging: every page is read once, and endless pages are refused."""

import io
import json
import zipfile
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest

from healing.errors import Looping, NotData, SourceUnavailable
from tests.tasks.ingestion.sources.serving import TABLE, Reply, answering, http_source

DAY = date(2013, 3, 1)
IDS = [str(number) for number in range(25)]
SIZE = 10


def page_of(number: int) -> list[str]:
    return IDS[number * SIZE : (number + 1) * SIZE]


def as_csv(ids: list[str]) -> bytes:
    return b"id,at\n" + b"".join(f"{each},2013-03-01T00:00:00Z\n".encode() for each in ids)


def query(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def by_link(path: str) -> Reply:
    number = int(query(path).get("after", 0))
    more = {"link": f'</t/2013-03-01.csv?after={number + 1}>; rel="next", </t>; rel="first"'} if number < 2 else {}
    return Reply(as_csv(page_of(number)), headers=more)


def by_next(path: str) -> Reply:
    number = int(query(path).get("after", 0))
    following = f"?after={number + 1}" if number < 2 else None
    body = {"rows": [{"id": each, "at": None} for each in page_of(number)], "meta": {"next": following}}
    return Reply(json.dumps(body).encode(), kind="application/json")


def by_page(path: str) -> Reply:
    assert query(path)["limit"] == str(SIZE)
    return Reply(as_csv(page_of(int(query(path)["page"]) - 1)))


def by_cursor(path: str) -> Reply:
    number = int(query(path).get("cursor", "c0").removeprefix("c"))
    body = {"rows": [{"id": each} for each in page_of(number)], "cursor": f"c{number + 1}" if number < 2 else ""}
    return Reply(json.dumps(body).encode(), kind="application/json")


JSON = {"format": "json", "records": "rows"}
WAYS = [
    (by_link, {}),
    (by_next, {**JSON, "paging": {"by": "next", "field": "meta.next"}}),
    (by_page, {"paging": {"by": "page", "size": SIZE, "size_parameter": "limit"}}),
    (by_page, {"paging": {"by": "page", "size": 5, "size_parameter": "limit"}}),
    (by_cursor, {**JSON, "paging": {"by": "cursor", "field": "cursor", "parameter": "cursor"}}),
]


@pytest.mark.parametrize(("answer", "config"), [WAYS[0], WAYS[1], WAYS[2], WAYS[4]])
def test_every_page_is_read_once_and_its_bytes_are_kept(tmp_path, answer, config):
    with answering(answer) as (url, asked), http_source(tmp_path, url, **config) as primary:
        [batch] = primary.fetch("t", TABLE, [DAY])
    assert batch.rows["id"].tolist() == IDS
    assert len(asked) == 3
    assert batch.suffix == "zip"
    with zipfile.ZipFile(io.BytesIO(batch.content)) as archive:
        assert archive.read(archive.namelist()[1]) == answer(asked[1].path).body


def test_without_a_size_the_first_page_without_rows_is_the_last(tmp_path):
    def answer(path: str) -> Reply:
        return Reply(as_csv(page_of(int(query(path)["page"]))))

    config = {"paging": {"by": "page", "first": 0}}
    with answering(answer) as (url, asked), http_source(tmp_path, url, **config) as primary:
        [batch] = primary.fetch("t", TABLE, [DAY])
    assert batch.rows["id"].tolist() == IDS
    assert len(asked) == 4


def test_only_the_failing_page_is_requested_again(tmp_path):
    stumbles = iter([True])

    def answer(path: str) -> Reply:
        return Reply(b"busy", 503) if "after=1" in path and next(stumbles, False) else by_link(path)

    with answering(answer) as (url, asked), http_source(tmp_path, url) as primary:
        [batch] = primary.fetch("t", TABLE, [DAY])
    assert batch.rows["id"].tolist() == IDS
    assert [query(each.path).get("after") for each in asked] == [None, "1", "1", "2"]


@pytest.mark.parametrize(
    ("answer", "config", "error", "found"),
    [
        (lambda _: Reply(headers={"link": '<?x=1>; rel="next"'}), {}, Looping, "found the same page again"),
        (lambda _: Reply(as_csv(["1"])), {"paging": {"by": "page"}}, Looping, "found the same page again"),
        (
            lambda path: by_page(path + "&limit=10"),
            {"paging": {"by": "page", "pages_max": 2}},
            Looping,
            "after 2 pages",
        ),
        (
            lambda _: Reply(headers={"link": '<http://127.0.0.2/x>; rel="next"'}),
            {},
            NotData,
            "a next page on 127.0.0.2",
        ),
        (
            lambda path: Reply(b"id\n1\n") if "after" in path else by_link(path),
            {},
            NotData,
            "expected columns id, at",
        ),
        (by_link, {"paging": {"by": "next", "field": "next"}}, NotData, "the address of the next page"),
    ],
)
def test_endless_or_inconsistent_pages_are_refused(tmp_path, answer, config, error, found):
    with (
        answering(answer) as (url, _),
        http_source(tmp_path, url, **config) as primary,
        pytest.raises(error, match=found),
    ):
        list(primary.fetch("t", TABLE, [DAY]))


def test_all_pages_together_stay_within_the_limits_of_a_batch(tmp_path):
    for limit in ({"batch_rows_max": 12}, {"batch_bytes_max": 400}):
        with (
            answering(by_link) as (url, _),
            http_source(tmp_path, url, **limit) as primary,
            pytest.raises(SourceUnavailable, match="expected at most"),
        ):
            list(primary.fetch("t", TABLE, [DAY]))
