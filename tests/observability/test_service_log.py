"""Log lines for programs and for people, with the ids of the span, and without secrets."""

import io
import json
import logging
import sys

import pytest
import structlog

from observability.service_log import LogFormat, LogLevel, configure_log, configure_service_log
from observability.span import Span
from observability.trace_context import TraceContext


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Written:
    """What was written to standard error so far."""

    def __init__(self, capsys):
        self._capsys = capsys
        self._text = ""

    def getvalue(self):
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture
def stream(capsys):
    """Standard error of this test. The handler of libraries is as before at its end."""
    before = logging.lastResort
    yield Written(capsys)
    logging.lastResort = before


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_ids(stream):
    configure_log(LogLevel.INFO, LogFormat.AUTO, service="gateway", pipeline="flights")
    span = Span("work", TraceContext(0xAB, 0xCD), lambda _: None, attributes={"autopilot.request_id": "mine"})
    log = structlog.get_logger("x")
    with (
        span.current(),
        structlog.contextvars.bound_contextvars(incident="i-7"),
        span.child("below").current() as below,
    ):
        log.info("thing_happened", count=2, place=("a", 1), odd={1: object})
    log.info("later")
    inside, later = lines(stream)
    assert list(inside)[:3] == ["timestamp", "level", "event"]
    assert {key: inside[key] for key in ("level", "event", "service", "pipeline", "incident", "count", "place")} == {
        "level": "info",
        "event": "thing_happened",
        "service": "gateway",
        "pipeline": "flights",
        "incident": "i-7",
        "count": 2,
        "place": ["a", 1],
    }
    assert (inside["trace_id"], inside["request_id"]) == (f"{0xAB:032x}", "mine")
    assert inside["span_id"] == below.context.span_id_hex
    assert {"trace_id", "span_id", "request_id", "incident"} & later.keys() == set()


def test_an_error_has_its_traceback_in_the_line(stream):
    configure_log(LogLevel.INFO, LogFormat.JSON)
    try:
        int("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].endswith("'broken'")


@pytest.mark.parametrize(("level", "events"), [(LogLevel.DEBUG, "diwe"), (LogLevel.INFO, "iwe"), (LogLevel.ERROR, "e")])
def test_the_level_decides_what_is_written(stream, level, events):
    configure_log(level, LogFormat.JSON)
    log = structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(name[0])
    assert "".join(line["event"] for line in lines(stream)) == events


def test_a_terminal_gets_columns_and_json_only_where_it_is_asked_for(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", Terminal())
    configure_log(LogLevel.INFO, LogFormat.AUTO)
    structlog.get_logger().info("thing_happened", count=2)
    assert "thing_happened" in sys.stderr.getvalue()
    assert not sys.stderr.getvalue().startswith("{")
    monkeypatch.setattr(sys, "stderr", Terminal())
    configure_log(LogLevel.INFO, LogFormat.JSON)
    structlog.get_logger().info("thing_happened")
    assert json.loads(sys.stderr.getvalue())["event"] == "thing_happened"
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    configure_log(LogLevel.INFO, LogFormat.CONSOLE)
    structlog.get_logger().info("thing_happened")
    assert not sys.stderr.getvalue().startswith("{")
    assert "\x1b" not in sys.stderr.getvalue()  # no colours where nobody sees them


def test_lines_of_libraries_have_the_same_form(stream, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    for name in ("uvicorn", "uvicorn.error"):  # another test may have started a server in this process
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    configure_service_log(LogLevel.INFO, LogFormat.JSON, service="gateway")
    configure_service_log(LogLevel.INFO, LogFormat.JSON, service="gateway")
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    logging.getLogger("uvicorn.error").info("chatter")
    silent = logging.getLogger("a.library.that.wants.no.output")
    silent.addHandler(logging.NullHandler())
    silent.error("an error that its caller handles")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["service"]) == ("odd thing", "warning", "gateway")


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_no_secret_is_written(stream, log_format):
    configure_log(LogLevel.INFO, log_format)
    structlog.get_logger().warning(
        "refused",
        url="postgresql+pg8000://user:planted@db/ledger",
        api_key="planted",
        nested={"Authorization": "Bearer planted", "note": "seen"},
        password="planted",
        token=7,
        reason="could not reach https://someone:planted@host/path",
    )
    assert "planted" not in stream.getvalue()
    assert "seen" in stream.getvalue()
    assert "someone:***@host/path" in stream.getvalue()


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_traceback_has_no_values_of_local_variables(stream, log_format):
    configure_log(LogLevel.INFO, log_format)

    def fail(row):
        raise ValueError("a reason")

    try:
        fail("planted" + "-row")
    except ValueError:
        structlog.get_logger().exception("failed")
    written = stream.getvalue()
    assert "ValueError: a reason" in written
    assert "planted-row" not in written
