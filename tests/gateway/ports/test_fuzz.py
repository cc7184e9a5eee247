"""Malformed requests by the thousand, over connections that stay: each gets a 4xx, none costs the router anything."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil
import pytest

from tests.gateway.ports.fuzz import Broken, broken_request
from tests.gateway.running import RunningGateway, run_gateway, wait_until
from tests.published import bootstrap, publish_tiny_model

CONNECTIONS = 8
ANSWER_SECONDS_MAX = 120.0  # a crowded machine stands still for ten seconds at a time, the client with it
WARM = 2_000  # malformed requests after which the router has whatever it keeps
GROWTH_BYTES_MAX = 16 * 2**20


@pytest.fixture(scope="module")
def served(tmp_path_factory, keys) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("fuzz")
    bootstrap(home / "releases", publish_tiny_model(home / "releases", keys))
    # A machine that stands still for a while makes waits look long; what is shed then says nothing about bodies.
    with run_gateway(home / "releases", keys, home / "gateway", "--queue-seconds-max", "60") as gateway:
        wait_until(lambda: gateway.predict.get("/ping").status_code == 200, "it serves")
        yield gateway


class Outcome:
    """Statuses so far, and the first requests that were answered as none may be."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.wrong: list[tuple[int, Broken]] = []

    @property
    def malformed(self) -> int:
        return sum(count for status, count in self.statuses.items() if 400 <= status < 500)

    def add(self, status: int, request: Broken) -> None:
        self.statuses[status] += 1
        if status != 200 and not 400 <= status < 500:
            self.wrong.append((status, request))


async def _status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(maxsplit=2)[1])


async def _final_status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Broken) -> int:
    """The status; labels that a busy machine's disk did not take within half a second are sent again, as 503 says."""
    while True:
        writer.write(request.wire())
        status = await _status(reader)
        if (status, request.path) != (503, "/feedback"):
            return status


async def _keep_sending(port: int, seed: int, outcome: Outcome, enough: int) -> None:
    """One connection; a server that closes it, or keeps quiet, fails the test."""
    generator = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while outcome.malformed < enough and not outcome.wrong:
            request = broken_request(generator)
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    outcome.add(await _final_status(reader, writer, request), request)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as exc:
                raise AssertionError(f"no answer to {request}: {exc!r}") from exc
    finally:
        writer.close()


def send_malformed(gateway: RunningGateway, count: int, seed: int) -> Outcome:
    """Broken requests until `count` of them got a 4xx."""
    port, outcome = urlsplit(str(gateway.predict.base_url)).port, Outcome()
    assert port is not None

    async def send() -> None:
        sending = [_keep_sending(port, 1000 * seed + n, outcome, count) for n in range(CONNECTIONS)]
        await asyncio.gather(*sending)

    asyncio.run(send())
    return outcome


def check(gateway: RunningGateway, count: int) -> None:
    """No status but 200 and 4xx, no hang, and no growth once warm."""
    router = psutil.Process(gateway.process.pid)
    assert not send_malformed(gateway, WARM, seed=1).wrong
    before = router.memory_info().rss
    outcome = send_malformed(gateway, count - WARM, seed=2)
    assert not outcome.wrong, outcome.wrong[:3]
    assert outcome.statuses.keys() >= {400, 404, 415}
    assert outcome.statuses[200], "some bodies are still valid, or the generator breaks too much"
    assert router.memory_info().rss - before < GROWTH_BYTES_MAX
    # A null is valid, and the tiny model raises on it: a few in a row open its breaker for a moment.
    wait_until(lambda: gateway.ask().headers["x-rung"] == "champion", "the champion answers")
    wait_until(lambda: gateway.problems() == set(), "nothing is wrong")


@pytest.mark.timeout(300)
def test_malformed_bodies_get_a_4xx_and_leave_no_trace(served):
    check(served, 5_000)


@pytest.mark.drill
@pytest.mark.timeout(900)
def test_a_hundred_thousand_malformed_bodies_get_a_4xx_and_leave_no_trace(served):
    check(served, 102_000)


FRAMES = [
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: nonsense\r\n\r\n{}",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n{}",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n{}",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
    b"POST /invocations HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET " + b"/x" * 50_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x-many: y\r\n" * 20_000 + b"\r\n",
    b"\x00" * 100,
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}trailing words that are no request\r\n\r\n",
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sent", FRAMES, ids=range(len(FRAMES)))
def test_a_request_that_is_no_http_is_refused_or_hung_up_on(served, sent):
    address = served.predict.base_url
    with socket.create_connection((address.host, address.port), timeout=ANSWER_SECONDS_MAX) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answered = b""
        try:
            while received := client.recv(65536):
                answered += received
        except ConnectionResetError:
            pass
    assert not answered or answered.split(maxsplit=2)[1].startswith(b"4")
    assert served.ask().status_code == 200
