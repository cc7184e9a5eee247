"""A gateway is replaced by its standby under load: upgraded, then killed."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter

import pytest

from gateway.log.segments import Segments
from tests.gateway.ports.grpc.running import keep_calling
from tests.gateway.running import WAIT_SECONDS, gateway_command, split_body, wait_until
from tests.published import bootstrap, publish_tiny_model, tiny_rows

pytestmark = pytest.mark.timeout(300)  # a cold fork server imports scikit-learn: 4 s idle, 80 s on a crowded machine
# On a crowded machine a batch may wait for seconds, and no request is to be refused for that.
PATIENT = (
    *("--queue-seconds-max", "10", "--batch-deadline-seconds", "20", "--request-deadline-seconds", "60"),
    *("--load-deadline-seconds", "200"),
)
CLIENTS = 3  # that keep their connection; as many open one for each request


class Client:
    """Asks one request after the other, and counts the outcomes; a request that got no answer is not repeated."""

    def __init__(self, name, port, keeps_connection):
        self.outcomes = Counter()
        self.acknowledged = []
        self._name, self._port, self._keeps_connection = name, port, keeps_connection

    def ask_until(self, stopping):
        connection, number = None, 0
        while not stopping.wait(0.002):
            number += 1
            request_id = f"{self._name}-{number}"
            connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                status, closes = self._ask(connection, request_id)
            except ConnectionRefusedError:
                status, closes = "refused", True
            except (OSError, http.client.HTTPException):
                status, closes = "lost", True
            self.outcomes[status] += 1
            if status == 200:
                self.acknowledged.append(request_id)
            if closes or not self._keeps_connection:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _ask(self, connection, request_id):
        body = json.dumps(split_body(tiny_rows(1), keys=[request_id]))
        connection.request("POST", "/invocations", body, {"x-request-id": request_id})
        reply = connection.getresponse()
        content = reply.read()
        return reply.status if reply.status == 200 else content.decode(), reply.will_close


class Clients:
    """All clients at once."""

    def __init__(self, port):
        self.all = [Client(f"client{number}", port, number < CLIENTS) for number in range(2 * CLIENTS)]

    @property
    def outcomes(self):
        return sum((client.outcomes for client in self.all), Counter())

    @property
    def acknowledged(self):
        return [request_id for client in self.all for request_id in client.acknowledged]

    def wait_for_answers(self, more):
        """Until each client has `more` further answers."""
        wanted = [client.outcomes[200] + more for client in self.all]
        wait_until(
            lambda: all(client.outcomes[200] >= count for client, count in zip(self.all, wanted, strict=True)),
            f"{more} more answers for each client",
        )

    @contextlib.contextmanager
    def asking(self):
        stopping = threading.Event()
        threads = [threading.Thread(target=client.ask_until, args=(stopping,)) for client in self.all]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()


class Gateways:
    """Starts gateways of one state directory, on sockets that outlive them."""

    def __init__(self, root, keys, state_dir, predict, operate, grpc):
        self._command = gateway_command(root, keys, state_dir, "--standby", *PATIENT)
        self._sockets = {
            "--predict-fd": predict.fileno(),
            "--operate-fd": operate.fileno(),
            "--grpc-fd": grpc.fileno(),
        }
        self._folder = state_dir.parent
        self.started = []

    def start(self):
        output = self._folder / f"gateway{len(self.started)}.log"
        options = [word for name, number in self._sockets.items() for word in (name, str(number))]
        with output.open("w") as log:
            process = subprocess.Popen(
                [*self._command, *options],
                stdout=log,
                stderr=log,
                env=os.environ | {"NO_COLOR": "1"},
                pass_fds=self._sockets.values(),
            )
        self.started.append(process)
        return process, lambda event: event in output.read_text()


@pytest.fixture
def gateways(root, keys, state_dir):
    bootstrap(root, publish_tiny_model(root, keys))
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        gateways = Gateways(root, keys, state_dir, *sockets)
        gateways.port, gateways.grpc_port = sockets[0].getsockname()[1], sockets[2].getsockname()[1]
        yield gateways
        for process in gateways.started:
            process.kill()
            process.wait(WAIT_SECONDS)
        for output in sorted(state_dir.parent.glob("gateway*.log")):
            print(output.read_text())  # noqa: T201  shown where the test fails


def test_an_upgrade_fails_no_request_and_a_kill_refuses_no_connection(gateways, state_dir):
    clients = Clients(gateways.port)
    first, said = gateways.start()
    wait_until(lambda: said("release_active"), "the first gateway serves")
    second, second_said = gateways.start()
    with clients.asking():
        clients.wait_for_answers(20)
        wait_until(lambda: second_said("gateway_standby_ready"), "the standby is warm")
        with keep_calling(gateways.grpc_port, CLIENTS) as calls:
            calls.wait_for(20)
            first.send_signal(signal.SIGTERM)
            assert first.wait(WAIT_SECONDS) == 0
            calls.wait_for(20)
        clients.wait_for_answers(20)
        assert clients.outcomes.keys() == {200}
        assert calls.failed == []

        _, third_said = gateways.start()
        wait_until(lambda: third_said("gateway_standby_ready"), "the next standby is warm")
        clients.wait_for_answers(20)
        second.kill()
        killed = time.monotonic()
        second.wait()
        clients.wait_for_answers(1)
        back_seconds = time.monotonic() - killed
        clients.wait_for_answers(20)
        with keep_calling(gateways.grpc_port, CLIENTS) as calls:
            calls.wait_for(20)
        assert calls.failed == []
    assert clients.outcomes["refused"] == 0
    assert clients.outcomes["lost"] <= len(clients.all)  # what the killed process was answering
    assert set(clients.outcomes) <= {200, "lost", "refused"}
    assert back_seconds < 30  # under 1 s on an idle machine; the benchmark measures it
    logged = Counter(entry[1] for entry in Segments(state_dir, "predictions", 1).read(0, 1_000_000))
    assert {request_id: logged[request_id] for request_id in clients.acknowledged if logged[request_id] != 1} == {}
