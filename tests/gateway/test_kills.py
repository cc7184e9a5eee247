"""A gateway that is killed again and again under load and drain: what was acknowledged is in the lake, once."""

import random
import signal
import threading
from collections import Counter
from contextlib import contextmanager, suppress

import httpx
import pytest

from healing.errors import GatewayUnavailable
from tasks.serving.prediction_log import drain_predictions, predictions_table
from tests.gateway.running import run_gateway, split_body, wait_until
from tests.published import bootstrap, publish_tiny_model, tiny_rows

CLIENTS = 8
# Segments of some 80 rows, so that kills meet them at their beginnings, ends and deletions.
OPTIONS = ("--log-segment-bytes-max", "20000", "--release-poll-seconds", "0.05")


class PersistentClients:
    """Ask one request after the other, each under one id until it is answered, of whichever gateway is there now."""

    def __init__(self):
        self.acknowledged = {}
        self.repeated = 0
        self.address = ""
        self._threads = []
        self._stopping = threading.Event()

    def _ask(self, name):
        rows = tiny_rows(64)
        number = 0
        with httpx.Client(timeout=5) as client:
            while not self._stopping.is_set():
                number += 1
                request_id = f"{name}-{number}"
                self._ask_until_answered(client, request_id, split_body([rows[number % 64]], keys=[request_id]))

    def _ask_until_answered(self, client, request_id, body):
        asked = 0
        while not self._stopping.is_set():
            asked += 1
            with suppress(httpx.TransportError):
                reply = client.post(f"{self.address}/invocations", json=body, headers={"x-request-id": request_id})
                if reply.status_code == 200:
                    self.repeated += asked > 1
                    self.acknowledged[request_id] = reply.json()["predictions"][0]
                    return
                assert reply.status_code == 503, reply.text  # it loads its model
            self._stopping.wait(0.02)  # as a client does before it asks again

    @contextmanager
    def asking(self, address):
        self.address = address
        self._threads = [threading.Thread(target=self._ask, args=(f"client{number}",)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def drain_until(stopping, gateway, lake):
    """Drain without a pause; kills fall into every part of it."""
    while not stopping.is_set():
        with suppress(GatewayUnavailable):
            drain_predictions(str(gateway.operate.base_url), lake)


@contextmanager
def draining(gateway, lake):
    stopping = threading.Event()
    thread = threading.Thread(target=drain_until, args=(stopping, gateway, lake))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(5, marks=pytest.mark.timeout(300)),
        pytest.param(200, marks=[pytest.mark.drill, pytest.mark.timeout(3600)]),
    ],
)
def test_what_was_acknowledged_is_in_the_lake_exactly_once_however_often_the_gateway_is_killed(
    root, keys, state_dir, tmp_path, kills
):
    bootstrap(root, publish_tiny_model(root, keys))
    lake, clients, moment = tmp_path / "lake", PersistentClients(), random.Random(0)
    with clients.asking("http://127.0.0.1:9"):  # the discard port: nobody is there yet
        for _ in range(kills):
            with run_gateway(root, keys, state_dir, *OPTIONS) as gateway:
                clients.address = str(gateway.predict.base_url)
                before = len(clients.acknowledged)
                with draining(gateway, lake):
                    enough = before + 50 + moment.randrange(100)  # a kill is to fall anywhere
                    wait_until(lambda n=enough: len(clients.acknowledged) >= n, "clients are answered")
                    gateway.process.send_signal(signal.SIGKILL)
                    gateway.process.wait()
        with run_gateway(root, keys, state_dir, *OPTIONS) as gateway:
            clients.address = str(gateway.predict.base_url)
            before = len(clients.acknowledged)
            wait_until(lambda: len(clients.acknowledged) > before + 50, "clients are answered")
            clients.stop()
            drain_predictions(str(gateway.operate.base_url), lake)
            assert len(list(state_dir.glob("predictions-*.log"))) == 1
    logged = predictions_table(lake).read(columns=["request_id", "prediction"])
    times = Counter(logged["request_id"])
    assert clients.repeated > 0
    assert {request_id: times[request_id] for request_id in clients.acknowledged if times[request_id] != 1} == {}
    assert dict(zip(logged["request_id"], logged["prediction"], strict=True)).items() >= clients.acknowledged.items()
