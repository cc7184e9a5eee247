"""A restart that takes long says nothing about the model; a worker that dies again does."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from healing.verdict import Outcome
from tasks.config.settings import Settings
from tasks.incidents.remedies.restart_worker import REMEDIES

DIGEST = "a" * 64


@contextmanager
def gateway_with(state: str):
    """The address of an operate port whose only worker has this state."""
    workers = [{"digest": DIGEST, "role": "champion", "state": state}]
    document = {"pipeline": "tiny", "desired_generation": 1, "active_generation": 1, "workers": workers}

    class Operate(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Operate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("starting", Outcome.INCONCLUSIVE),
        ("failed", Outcome.INCONCLUSIVE),  # it waits for its next start
        ("set_aside", Outcome.FAIL),
    ],
)
def test_only_a_worker_that_is_set_aside_speaks_against_its_model(tmp_path, state, outcome):
    with gateway_with(state) as address:
        settings = Settings(home=tmp_path, operate_url=address)
        given = SimpleNamespace(settings=settings, incident=SimpleNamespace(subject=DIGEST, pipeline="tiny"))
        assert REMEDIES[0].observe(given).outcome is outcome


def test_a_restart_may_take_several_times_as_long_as_on_a_quiet_machine():
    assert REMEDIES[0].verify_seconds_max >= 4 * 15
