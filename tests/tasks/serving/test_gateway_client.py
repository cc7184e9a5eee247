"""What the answer of a gateway to a probe says about the model."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from healing.errors import GatewayRefused
from healing.verdict import Outcome
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.serving.gateway_client import probe_model
from tests.published import publish_tiny_model


@contextmanager
def gateway_that_answers(status):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, Outcome.INCONCLUSIVE),  # not loaded
        (429, Outcome.INCONCLUSIVE),
        (503, Outcome.INCONCLUSIVE),  # still starting, or the machine has too much to do
        (504, Outcome.INCONCLUSIVE),
        (502, Outcome.FAIL),  # the model was asked and has no usable answer
    ],
)
def test_only_a_model_that_was_asked_can_fail_its_probe(tmp_path, status, outcome):
    model = publish_tiny_model(tmp_path, ensure_keys(tmp_path / "keys"))
    with gateway_that_answers(status) as url:
        assert probe_model(url, model.digest, ModelStore(tmp_path).manifest(model.digest)).outcome is outcome


@pytest.mark.parametrize("status", [400, 401, 403, 413, 415])
def test_a_refused_request_says_nothing_about_the_model(tmp_path, status):
    model = publish_tiny_model(tmp_path, ensure_keys(tmp_path / "keys"))
    with gateway_that_answers(status) as url, pytest.raises(GatewayRefused):
        probe_model(url, model.digest, ModelStore(tmp_path).manifest(model.digest))
