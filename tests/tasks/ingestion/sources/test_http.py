"""A source over HTTP against a real server: its batches, its retries, and answers that are refused."""

import time
from base64 import b64encode
from datetime import date
from socket import create_server

import pytest

from healing.errors import ConfigError, Looping, NotData, NotServed, Oversized, SourceUnavailable, Truncated
from tasks.ingestion.sources import Lookup, ServedDays
from tests.tasks.ingestion.sources.serving import CSV, TABLE, Reply, answering, free_port, http_source

DAYS = [date(2013, 3, 1), date(2013, 3, 2)]


def first(source):
    """The rows of the first day."""
    [batch] = source.fetch("t", TABLE, DAYS[:1])
    return batch


def test_each_day_has_its_bytes_and_its_rows_as_text(tmp_path):
    with answering(lambda _: Reply()) as (url, asked), http_source(tmp_path, url) as primary:
        batches = list(primary.fetch("t", TABLE, DAYS))
    assert [batch.id for batch in batches] == ["t/2013-03-01", "t/2013-03-02"]
    assert sorted(each.path for each in asked) == ["/t/2013-03-01.csv", "/t/2013-03-02.csv"]
    assert (batches[0].content, batches[0].suffix) == (CSV, "csv")
    assert batches[0].rows["id"].tolist() == ["a", "b"]
    assert batches[0].rows["at"].isna().tolist() == [False, True]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_temporary_failure_is_retried(tmp_path, status):
    answers = iter([Reply(b"busy", status), Reply()])
    with answering(lambda _: next(answers)) as (url, asked), http_source(tmp_path, url) as primary:
        assert len(first(primary).rows) == 2
    assert len(asked) == 2


def test_a_client_error_is_not_retried(tmp_path):
    with answering(lambda _: Reply(b"not yet", 404)) as (url, asked), http_source(tmp_path, url) as primary:
        with pytest.raises(NotServed, match="not yet"):
            first(primary)
        assert len(asked) == 1
        assert primary.answered


@pytest.mark.parametrize(
    ("reply", "error", "found"),
    [
        (Reply(b"<html><body>Sign in</body></html>", kind="text/html"), NotData, "content-type text/html"),
        (Reply(b"<!doctype html><p>Sorry"), NotData, "a page"),
        (Reply(b'{"error": "quota"}'), NotData, "JSON"),
        (Reply(b'{"error": "quota"}', kind="application/json"), NotData, "content-type application/json"),
        (Reply(b"%PDF-1.7", kind="application/pdf"), NotData, "content-type application/pdf"),
        (Reply(b""), NotData, "an empty body"),
        (Reply(b" \n"), NotData, "an empty body"),
        (Reply(b"id,at\n\xff\xfe,bytes\n"), NotData, "not UTF-8"),
        (Reply(b"id,at\na\0b,c\n"), NotData, "zero"),
        (Reply("id,at\nZürich,1\n".encode().decode("latin-1").encode()), NotData, "once read as latin-1"),
        (Reply("id,at\n“x—,1\n".encode().decode("cp1252").encode()), NotData, "once read as"),
        (Reply(b'id,at\n"never closed,1\n'), NotData, "Expected 2 columns"),
        (Reply(b"id,at\n1,2,3,4\n1\n"), NotData, "Expected 2 columns, got 4"),
        (Reply(b"id,id\n1,2\n"), NotData, "named twice"),
        (Reply(b"id,at\n1,2\n3"), Truncated, "cut off"),
        (Reply(CSV, length=1000), Truncated, "cut off"),
        (Reply(b"id,at\n1,2013", length=None), Truncated, "a last line without an end"),
        (Reply(b"id,at\n" + b"x" * 70_000 + b",1\n"), Oversized, "a value of 70000 bytes"),
        (Reply(b"id,at\n" + b"x" * (5 << 20) + b",1\n" * 2), Oversized, "a value of|a row of"),
        (Reply(status=302, headers={"location": "/elsewhere"}), Looping, "more than 5 redirects"),
        (Reply(b"not zipped", headers={"content-encoding": "gzip"}), NotData, "content-encoding"),
    ],
)
def test_status_200_with_something_else_than_rows_is_an_error(tmp_path, reply, error, found):
    with answering(lambda _: reply) as (url, _), http_source(tmp_path, url, attempts=1) as primary:
        with pytest.raises(error, match=found) as caught:
            first(primary)
        assert "source primary: expected" in str(caught.value)
        assert url in str(caught.value)
    if error is NotData and "content-encoding" not in found:
        assert caught.value.original == reply.body


@pytest.mark.parametrize(
    "text", ["id,at\nZürich,1\n", "id,at\n東京,1\n", "id,at\n«Â»,1\n", "\ufeffid,at\né,1\n", "id,at\nok,1\n"]
)
def test_text_of_any_language_is_read_unchanged(tmp_path, text):
    with answering(lambda _: Reply(text.encode())) as (url, _), http_source(tmp_path, url) as primary:
        batch = first(primary)
    assert list(batch.rows.columns) == ["id", "at"]
    assert batch.rows["id"].tolist() == [text.removeprefix("\ufeff").split("\n")[1].split(",")[0]]


def test_an_endless_body_is_read_up_to_the_limit(tmp_path):
    endless = Reply(b"id,at\n" + b"1,2\n" * 100_000)
    with answering(lambda _: endless) as (url, asked), http_source(tmp_path, url, batch_bytes_max=10_000) as primary:
        with pytest.raises(Oversized, match="at most 10000 bytes"):
            first(primary)
        assert len(asked) == 1


def test_more_rows_than_a_batch_may_have_are_refused(tmp_path):
    with answering(lambda _: Reply()) as (url, _), http_source(tmp_path, url, batch_rows_max=1) as primary:
        fetched = primary.fetch("t", TABLE, DAYS)
        with pytest.raises(Oversized, match="2 rows, more than 1"):
            next(fetched)


def test_a_hanging_source_is_given_up_within_its_limit(tmp_path):
    with create_server(("127.0.0.1", 0)) as silent:  # accepts by its backlog, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with http_source(tmp_path, url) as primary, pytest.raises(SourceUnavailable, match=r"within 0\.3 s"):
            list(primary.fetch("t", TABLE, DAYS))
    assert time.monotonic() - started < 30  # patience is 2 s; the rest is for a busy machine
    assert not primary.answered


def test_a_closed_port_is_unavailable(tmp_path):
    with http_source(tmp_path, f"http://127.0.0.1:{free_port()}") as primary, pytest.raises(SourceUnavailable):
        first(primary)


def test_the_served_days_are_read_and_checked(tmp_path):
    body = b'{"first": "2013-01-01", "last": "2013-02-28"}'
    bodies = iter([body, b"[]"])
    with (
        answering(lambda _: Reply(next(bodies), kind="application/json")) as (url, _),
        http_source(tmp_path, url, days="/days") as primary,
    ):
        assert primary.days() == ServedDays(first=date(2013, 1, 1), last=date(2013, 2, 28))
        with pytest.raises(NotData, match=r"\{first, last\}"):
            primary.days()


def test_placeholders_are_filled_in_or_their_variable_is_named():
    assert Lookup({"feed": "http://127.0.0.1:1"}).fill("primary", "${feed}/v1") == "http://127.0.0.1:1/v1"
    assert Lookup({}, {"TOKEN": "s3cret"}).fill("primary", "Bearer ${env:TOKEN}") == "Bearer s3cret"
    with pytest.raises(ConfigError, match="AUTOPILOT_FEED_URL"):
        Lookup({"feed": None}).fill("primary", "${feed}")
    with pytest.raises(ConfigError, match="set TOKEN"):
        Lookup().fill("primary", "${env:TOKEN}")


def test_an_invalid_address_is_refused_before_a_request(tmp_path):
    for url in ("ftp://127.0.0.1", "127.0.0.1:80", "http://"):
        with pytest.raises(ConfigError, match="expected an http"), http_source(tmp_path, url):
            pass


def test_a_source_that_quotes_what_it_was_sent_shows_no_secret(tmp_path):
    def quote(path):
        return Reply(f"{path} k3y {b64encode(b'reader:passw0rd').decode()} passw0rd no such day".encode(), status=403)

    lookup = Lookup({}, {"TOKEN": "t0 ken", "KEY": "k3y", "PASSWORD": "passw0rd"})
    with answering(quote) as (url, _):
        own = url.replace("http://", "http://reader:${env:PASSWORD}@") + "/?sig=${env:TOKEN}"
        secrets = {"headers": {"x-api-key": "${env:KEY}"}, "attempts": 1}
        with http_source(tmp_path, own, lookup=lookup, **secrets) as source, pytest.raises(NotServed) as caught:
            first(source)
    message = str(caught.value)
    assert "403: /?sig=…" in message
    assert "… … … no such day" in message


def test_secrets_go_to_their_own_host_only_and_into_no_message(tmp_path, caplog):
    caplog.set_level("INFO")
    lookup = Lookup({}, {"TOKEN": "t0ken", "PASSWORD": "passw0rd"})
    with answering(lambda _: Reply(b"<html>")) as (other, stolen):
        elsewhere = Reply(status=302, headers={"location": f"{other}/copy.csv"})
        with answering(lambda _: elsewhere) as (url, asked):
            own = url.replace("http://", "http://reader:${env:PASSWORD}@") + "/v1?sig=${env:TOKEN}"
            secrets = {"headers": {"x-api-key": "${env:TOKEN}"}, "attempts": 1}
            with http_source(tmp_path, own, lookup=lookup, **secrets) as primary, pytest.raises(NotData) as caught:
                first(primary)
    assert asked[0].headers["x-api-key"] == "t0ken"
    assert asked[0].headers["authorization"].startswith("Basic ")
    assert not {"x-api-key", "authorization"} & set(stolen[0].headers)
    for text in (str(caught.value), caplog.text):
        assert "t0ken" not in text
        assert "passw0rd" not in text
