"""The fault proxy: each toxic is measured where a client feels it, and a foreign Toxiproxy client drives the API."""

import asyncio
import json
import socket
import subprocess
import sys
import time

import chaostoxi.proxy.actions as proxy_actions
import chaostoxi.proxy.probes as proxy_probes
import chaostoxi.toxic.actions as toxic_actions
import httpx
import pytest

from chaos.proxy.api import read_links
from chaos.proxy.proxy import AddressError, parse_address
from tests.chaos.proxy.echo import Echo

PATIENCE_SECONDS = 20.0
EARLY_SECONDS = 0.02  # an event loop may fire a timer a little before its time


@pytest.fixture(scope="module")
def api():
    """The URL of the API of a proxy process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "chaos.proxy", "--port", str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/version", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the proxy ended at once"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def echo():
    with Echo() as running:
        yield running


@pytest.fixture
def link(api, echo):
    """A proxy in front of an echo server; what a client connects to."""
    document = {"name": "echo", "upstream": f"127.0.0.1:{echo.port}"}
    proxy = httpx.post(f"{api}/proxies", json=document, trust_env=False).raise_for_status().json()
    yield Link(api, proxy["listen"])
    httpx.delete(f"{api}/proxies/echo", trust_env=False).raise_for_status()


class Link:
    """What a test does with one proxy."""

    def __init__(self, api, listen):
        self.api = api
        self.address = parse_address(listen)

    def add(self, kind, toxicity=1.0, stream="downstream", **attributes):
        document = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        answer = httpx.post(f"{self.api}/proxies/echo/toxics", json=document, trust_env=False)
        return answer.raise_for_status().json()["name"]

    def remove(self, name):
        httpx.delete(f"{self.api}/proxies/echo/toxics/{name}", trust_env=False).raise_for_status()

    def connect(self):
        return socket.create_connection(self.address, timeout=PATIENCE_SECONDS)

    def enable(self, enabled):
        httpx.post(f"{self.api}/proxies/echo", json={"enabled": enabled}, trust_env=False).raise_for_status()


def ask(client, message=b"hello"):
    """Send `message`, and return what comes back until as many bytes are there or the connection ends."""
    client.sendall(message)
    return receive(client, len(message))


def receive(client, count):
    received = b""
    while len(received) < count:
        part = client.recv(count - len(received))
        if not part:
            break
        received += part
    return received


def test_passes_bytes_unchanged_without_a_toxic(link):
    message = bytes(range(256)) * 4_000
    with link.connect() as client:
        client.setblocking(True)

        async def both_ways():
            return await asyncio.gather(
                asyncio.to_thread(client.sendall, message), asyncio.to_thread(receive, client, len(message))
            )

        assert asyncio.run(both_ways())[1] == message


def test_latency_delays_each_answer_and_does_not_add_up(link):
    link.add("latency", latency=300)
    with link.connect() as client:
        started = time.monotonic()
        for _ in range(5):
            client.sendall(b"x")
        assert receive(client, 5) == b"xxxxx"
        assert time.monotonic() - started >= 0.3 - EARLY_SECONDS


def test_latency_acts_on_connections_that_are_open_already(link):
    with link.connect() as client:
        assert ask(client) == b"hello"
        link.add("latency", latency=300)
        started = time.monotonic()
        assert ask(client) == b"hello"
        assert time.monotonic() - started >= 0.3 - EARLY_SECONDS


def test_a_proxy_that_is_down_refuses_and_closes(link):
    with link.connect() as client:
        assert ask(client) == b"hello"
        link.enable(False)
        assert receive(client, 1) == b""
        with pytest.raises(ConnectionRefusedError):
            link.connect()
    link.enable(True)
    with link.connect() as client:
        assert ask(client) == b"hello"


def test_timeout_keeps_silent_then_closes(link):
    link.add("timeout", timeout=300)
    with link.connect() as client:
        started = time.monotonic()
        assert ask(client) == b""
        assert time.monotonic() - started >= 0.25


def test_timeout_zero_stays_silent_until_it_is_removed_and_then_closes(link):
    name = link.add("timeout", timeout=0)
    with link.connect() as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(client)
        client.settimeout(PATIENCE_SECONDS)
        link.remove(name)
        assert receive(client, 5) == b""
    with link.connect() as client:
        assert ask(client) == b"hello"


def test_reset_peer_breaks_the_connection(link):
    link.add("reset_peer", timeout=100)
    with link.connect() as client, pytest.raises(ConnectionResetError):
        ask(client)


def test_bandwidth_bounds_the_bytes_per_second(link):
    link.add("bandwidth", rate=100)
    with link.connect() as client:
        started = time.monotonic()
        assert len(ask(client, b"x" * 51_200)) == 51_200
        assert time.monotonic() - started >= 0.45


def test_slicer_cuts_the_answer_into_parts_with_pauses(link):
    link.add("slicer", average_size=100, size_variation=20, delay=100_000)
    with link.connect() as client:
        started = time.monotonic()
        assert ask(client, b"x" * 1_000) == b"x" * 1_000
        assert time.monotonic() - started >= 0.7


def test_limit_data_closes_after_that_many_bytes(link):
    link.add("limit_data", bytes=3)
    with link.connect() as client:
        client.sendall(b"hello")
        assert receive(client, 5) == b"hel"


def test_slow_close_delays_the_end_of_the_stream(link):
    link.add("slow_close", delay=300)
    with link.connect() as client:
        assert ask(client) == b"hello"
        started = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 1) == b""
        assert time.monotonic() - started >= 0.25


def test_toxicity_is_the_share_of_connections(link):
    link.add("limit_data", toxicity=0.5, bytes=0)
    served = 0
    for _ in range(60):
        with link.connect() as client:
            try:
                served += ask(client) == b"hello"
            except ConnectionError:
                continue
    assert 10 <= served <= 50  # a fair coin leaves this range once in ten million runs


def test_an_upstream_that_is_down_closes_the_clients_connection(api):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        upstream = f"127.0.0.1:{unused.getsockname()[1]}"
        document = {"name": "nobody", "upstream": upstream}
        proxy = httpx.post(f"{api}/proxies", json=document, trust_env=False).json()
        with socket.create_connection(parse_address(proxy["listen"]), timeout=PATIENCE_SECONDS) as client:
            assert receive(client, 1) == b""
    httpx.delete(f"{api}/proxies/nobody", trust_env=False)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/proxies", {"name": "x"}, 400),
        ("POST", "/proxies", {"name": "x", "upstream": "nowhere"}, 400),
        ("POST", "/proxies", ["x"], 400),
        ("POST", "/proxies", {"name": "echo", "upstream": "127.0.0.1:1"}, 409),
        ("GET", "/proxies/absent", None, 404),
        ("DELETE", "/proxies/echo/toxics/absent", None, 404),
        ("POST", "/proxies/echo/toxics", {"type": "gravity"}, 400),
        ("POST", "/proxies/echo/toxics", {"type": "latency", "attributes": {"latency": -1}}, 400),
        ("POST", "/proxies/echo/toxics", {"type": "latency", "attributes": {"lateness": 1}}, 400),
        ("POST", "/proxies/echo/toxics", {"type": "latency", "toxicity": 2}, 400),
    ],
)
def test_a_bad_request_gets_the_status_of_toxiproxy_and_a_reason(link, api, method, path, body, status):
    answer = httpx.request(method, f"{api}{path}", json=body, trust_env=False)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_bad_address_says_what_was_expected():
    with pytest.raises(AddressError, match=r"expected an address such as 127\.0\.0\.1:8000, found 'here'"):
        parse_address("here")


def test_a_toxiproxy_client_that_we_did_not_write_drives_it(api, echo):
    configuration = {"toxiproxy_url": api}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert proxy_actions.create_proxy(
        proxy_name="theirs",
        listen_host="127.0.0.1",
        listen_port=port,
        upstream_host="127.0.0.1",
        upstream_port=echo.port,
        configuration=configuration,
    )
    assert proxy_probes.proxy_exist("theirs", configuration=configuration)
    assert toxic_actions.create_latency_toxic("theirs", "slow", 200, configuration=configuration)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        started = time.monotonic()
        assert ask(client) == b"hello"
        assert time.monotonic() - started >= 0.2 - EARLY_SECONDS
    assert toxic_actions.delete_toxic("theirs", "slow", configuration=configuration)
    proxy_actions.disable_proxy("theirs", configuration=configuration)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    assert proxy_actions.reset(configuration=configuration)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        assert ask(client) == b"hello"
    proxy_actions.delete_proxy("theirs", configuration=configuration)
    assert not proxy_probes.proxy_exist("theirs", configuration=configuration)


def test_links_of_a_configuration_file_are_there_from_the_start(tmp_path, echo):
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        port, link_port = one.getsockname()[1], other.getsockname()[1]
    links = [{"name": "echo", "listen": f"127.0.0.1:{link_port}", "upstream": f"127.0.0.1:{echo.port}"}]
    (tmp_path / "links.json").write_text(json.dumps(links))
    words = ["--port", str(port), "--config", str(tmp_path / "links.json")]
    process = subprocess.Popen([sys.executable, "-m", "chaos.proxy", *words])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", link_port), timeout=PATIENCE_SECONDS) as client:
                    assert ask(client) == b"hello"
                break
            except ConnectionRefusedError:
                assert process.poll() is None, "the proxy ended at once"
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def test_a_configuration_that_is_no_list_of_links_is_refused(tmp_path):
    (tmp_path / "links.json").write_text('{"name": "echo"}')
    with pytest.raises(ValueError, match="expected a list of proxies"):
        read_links(tmp_path / "links.json")
