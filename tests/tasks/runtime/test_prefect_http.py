"""Requests to a Prefect server that demands credentials carry those of Prefect's own settings."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, temporary_settings
from pydantic import SecretStr

from gateway.reporting.events import EventSender
from healing.incident import Cause
from tasks.runtime.prefect_http import authorization
from tasks.runtime.schedules import read_schedule

BASIC = f"Basic {base64.b64encode(b'admin:hunter2').decode()}"


@pytest.fixture
def prefect():
    """Address of a server that knows no deployment, and the headers `Authorization` that it got."""
    found = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found.append(self.headers["authorization"])
            self.send_error(404)

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            found.append(self.headers["authorization"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({PREFECT_API_AUTH_STRING: "admin:hunter2"}, BASIC),
        ({PREFECT_API_KEY: "pnu_hunter2"}, "Bearer pnu_hunter2"),
    ],
)
def test_the_schedule_is_read_with_the_credentials_of_the_settings(prefect, settings, header):
    api, found = prefect
    with temporary_settings(settings, restore_defaults={PREFECT_API_KEY, PREFECT_API_AUTH_STRING} - set(settings)):
        assert authorization() == header
        assert not read_schedule(api, "ingest/ingest", "flights", 20).active
    assert found == [header]


async def test_the_gateway_sends_events_with_the_header_of_its_settings(prefect):
    api, found = prefect
    sender = EventSender("flights", f"{api}/events", SecretStr(BASIC))
    sender.send("autopilot.gateway.problem", cause=Cause.MODEL_SLOW, subject="a", summary="slow")
    await sender.send_next()
    await sender.close()
    assert (found, sender.dropped) == ([BASIC], 0)
