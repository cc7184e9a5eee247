"""An HTTP source that serves the year 2013 day by day, with its own clock.

    python -m pipelines.flights.feed --port 8000 --state-dir var/feed [--faulty]

GET  /health                  {"status": "ok", "now": …}
GET  /days                    {"first": "2013-01-01", "last": "2013-02-28"}: the days that have ended in New York
GET  /flights/2013-03-01.csv  the day's schedule, without later information
GET  /weather/2013-03-01.csv  the day's hourly observations at EWR, JFK and LGA
GET  /outcomes/2013-03-01.csv flights that landed on that day, including departures of the day before
GET  /clock, PUT /clock       {"now": "2013-03-02T05:00:00Z"}, or {"day": "2013-03-01"} for the end of that day
GET  /faults, PUT /faults     list of faults (`feed_state`); only a process started with --faulty applies them

A day is served once it has ended in New York; before that the response is 404 "not yet". Two processes with one state
directory are a primary (--faulty) and its mirror.
"""

import argparse
import functools
import json
import re
import signal
import sys
import threading
from datetime import date, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.flights.archive import FIRST_DAY, DailyTable, as_csv, day_start, last_complete_day, parse_now, read_year
from pipelines.flights.feed_state import FAULTS, FeedState

_BATCH = re.compile(r"/(flights|weather|outcomes)/(\d{4}-\d{2}-\d{2})\.csv")
_BODY_BYTES_MAX = 4_000_000  # a list of faults, which may hold a few batches
_IDLE_SECONDS = 30  # an open connection without a request is closed after this time


_reading = threading.Lock()


def year() -> dict[str, DailyTable]:
    """The year's tables, read once per process, also under concurrent requests."""
    with _reading:
        return _year()


_year = functools.cache(read_year)


class Feed(ThreadingHTTPServer):
    """Listens at once; the first request waits until the year is read."""

    daemon_threads = True
    request_queue_size = 128  # a backfill opens many connections at once

    def __init__(self, address: tuple[str, int], state: FeedState, *, faulty: bool) -> None:
        self.state = state
        self.faulty = faulty
        super().__init__(address, _Handler)

    def batch(self, table: str, day: date) -> bytes:
        """One batch as CSV, with the faults if this feed is faulty."""
        rows = year()[table].day(day)
        if not self.faulty:
            return as_csv(rows)
        replaced = self.state.replaced_content(table, day)
        return as_csv(self.state.break_batch(rows, table, day)) if replaced is None else replaced

    def is_absent(self, table: str, day: date) -> bool:
        """Whether this feed is faulty and does not have the batch."""
        return self.faulty and self.state.is_absent(table, day)


class _Handler(BaseHTTPRequestHandler):
    server: Feed
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    wbufsize = 1 << 16  # head and body in one packet: otherwise each response waits 40 ms for the client's delayed ACK

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/health":
                year()
                self._json({"status": "ok", "now": self.server.state.now.isoformat()})
            case "/days":
                self._json({"first": str(FIRST_DAY), "last": str(last_complete_day(self.server.state.now))})
            case "/clock":
                self._clock()
            case "/faults":
                self._send(HTTPStatus.OK, FAULTS.dump_json(self.server.state.faults), "application/json")
            case path:
                self._batch(path)

    def do_PUT(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("content-length") or 0), _BODY_BYTES_MAX))
        try:
            match self.path:
                case "/clock":
                    self._set_clock(json.loads(body))
                case "/faults":
                    self.server.state.set_faults(FAULTS.validate_json(body))
                    self._send(HTTPStatus.OK, FAULTS.dump_json(self.server.state.faults), "application/json")
                case _:
                    self._refuse(HTTPStatus.NOT_FOUND, f"expected PUT /clock or /faults, found {self.path}")
        except ValidationError as exc:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, problems)
        except (ValueError, KeyError, TypeError) as exc:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, f"expected {{'now': ISO time}} or {{'day': date}}: {exc}")

    def _set_clock(self, wanted: dict[str, str]) -> None:
        if "day" in wanted:
            now = day_start(date.fromisoformat(wanted["day"]) + timedelta(days=1))
        else:
            now = parse_now(wanted["now"])
        self.server.state.set_now(now)
        self._clock()

    def _clock(self) -> None:
        now = self.server.state.now
        self._json({"now": now.isoformat(), "last_complete_day": str(last_complete_day(now))})

    def _batch(self, path: str) -> None:
        wanted = _BATCH.fullmatch(path)
        if wanted is None:
            return self._refuse(HTTPStatus.NOT_FOUND, f"expected /flights, /weather or /outcomes/DAY.csv, found {path}")
        try:
            day = date.fromisoformat(wanted[2])
        except ValueError as exc:
            return self._refuse(HTTPStatus.NOT_FOUND, f"{wanted[2]}: {exc}")
        last = last_complete_day(self.server.state.now)
        if not FIRST_DAY <= day <= last:
            return self._refuse(
                HTTPStatus.NOT_FOUND,
                f"not yet: expected a day from {FIRST_DAY} to {last}, which have ended, found {day}",
            )
        if self.server.is_absent(wanted[1], day):
            return self._refuse(HTTPStatus.NOT_FOUND, f"not yet: {wanted[1]} of {day} is late")
        return self._send(HTTPStatus.OK, self.server.batch(wanted[1], day), "text/csv; charset=utf-8")

    def _json(self, document: dict[str, str]) -> None:
        self._send(HTTPStatus.OK, json.dumps(document).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, problem: str) -> None:
        self._send(status, json.dumps({"error": problem}).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: a backfill would write one line per batch."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. Return 1 after one line on standard error if the port is taken."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.flights.feed", description="Serve the year 2013 day by day."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 selects a free port")
    parser.add_argument("--state-dir", type=Path, required=True, help="clock and faults, shared with the mirror")
    parser.add_argument("--faulty", action="store_true", help="apply the faults that were set by PUT /faults")
    options = parser.parse_args(arguments)
    try:
        feed = Feed((options.host, options.port), FeedState(options.state_dir), faulty=options.faulty)
    except OSError as exc:
        sys.stderr.write(f"feed: cannot serve {options.host}:{options.port} from {options.state_dir}: {exc}\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=feed.shutdown).start())
    sys.stdout.write(f"feed listens on http://{options.host}:{feed.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=year, daemon=True).start()
    try:
        feed.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        return 0
    finally:
        feed.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
