import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import pytest

from healing.errors import ConfigError, SourceUnavailable
from tasks.pipeline import Source, Table
from tasks.sources import Days, HttpSource, NotServed, resolve_url

TABLE = Table(
    role="batch", path="/t/{day}.csv", key=("id",), event_time="at", columns={"id": "string", "at": "timestamp"}
)
DAYS = [date(2013, 3, 1), date(2013, 3, 2)]
CSV = b"id,at\na,2013-03-01T00:00:00Z\nb,\n"


@contextmanager
def answering(answer: Callable[[str], tuple[int, str, bytes]]):
    """Address of a server that answers every path as told, and the paths it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def source(url: str, **changes) -> HttpSource:
    config = {"name": "primary", "kind": "http", "url": url, "timeout_seconds": 0.3, "patience_seconds": 2.0}
    return HttpSource(Source(**{**config, **changes}), url)


def test_gives_each_day_with_its_bytes_and_its_rows_as_text():
    with answering(lambda _: (200, "text/csv", CSV)) as (url, asked), source(url) as primary:
        batches = list(primary.fetch("t", TABLE, DAYS))
    assert [batch.id for batch in batches] == ["t/2013-03-01", "t/2013-03-02"]
    assert sorted(asked) == ["/t/2013-03-01.csv", "/t/2013-03-02.csv"]
    assert batches[0].content == CSV
    assert batches[0].rows["id"].tolist() == ["a", "b"]
    assert batches[0].rows["at"].isna().tolist() == [False, True]


def test_tries_again_when_the_source_stumbles():
    answers = iter([(503, "text/plain", b"busy"), (200, "text/csv", CSV)])
    with answering(lambda _: next(answers)) as (url, asked), source(url) as primary:
        assert len(list(primary.fetch("t", TABLE, DAYS[:1]))) == 1
    assert len(asked) == 2


def test_does_not_ask_again_for_what_the_source_says_it_has_not():
    with (
        answering(lambda _: (404, "application/json", b"not yet")) as (url, asked),
        source(url) as primary,
        pytest.raises(NotServed, match="not yet"),
    ):
        list(primary.fetch("t", TABLE, DAYS[:1]))
    assert len(asked) == 1
    assert primary.answered


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html><body>Sign in</body></html>"),
        ("text/csv", b"<!doctype html><p>Sorry"),
        ("text/csv", b'{"error": "quota"}'),
        ("text/csv", b""),
        ("text/csv", b"\xff\xfe\x00bytes"),
        ("text/csv", b'id,at\n"never closed,1\n'),
        ("text/csv", b"id,at\n1,2,3,4\n1\n"),
    ],
)
def test_a_good_status_with_something_else_than_csv_is_no_data(kind, body):
    with (
        answering(lambda _: (200, kind, body)) as (url, _),
        source(url) as primary,
        pytest.raises(SourceUnavailable, match="expected CSV"),
    ):
        list(primary.fetch("t", TABLE, DAYS[:1]))


def test_a_source_that_hangs_is_left_within_its_patience():
    with create_server(("127.0.0.1", 0)) as silent:  # accepts by its backlog, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        with source(url) as primary, pytest.raises(SourceUnavailable, match=r"within 0\.3 s"):
            list(primary.fetch("t", TABLE, DAYS))
    assert time.monotonic() - started < 30  # patience is 2 s; the rest is for a busy machine
    assert not primary.answered


def test_says_which_days_it_can_serve():
    body = b'{"first": "2013-01-01", "last": "2013-02-28"}'
    with answering(lambda _: (200, "application/json", body)) as (url, _), source(url, days="/days") as primary:
        assert primary.days() == Days(first=date(2013, 1, 1), last=date(2013, 2, 28))
    with (
        answering(lambda _: (200, "application/json", b"[]")) as (url, _),
        source(url, days="/days") as primary,
        pytest.raises(SourceUnavailable, match=r"expected \{first, last\}"),
    ):
        primary.days()


def test_an_address_is_filled_in_or_asked_for():
    config = Source(name="primary", kind="http", url="${feed}/v1")
    assert resolve_url(config, {"feed": "http://127.0.0.1:1"}) == "http://127.0.0.1:1/v1"
    with pytest.raises(ConfigError, match="AUTOPILOT_FEED_URL"):
        resolve_url(config, {"feed": None})
