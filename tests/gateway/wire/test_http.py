import asyncio

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.wire.asgi import JSON, read_body, respond
from gateway.wire.exchange import Exchange
from gateway.wire.http import WholeResponses


class Wire(asyncio.Transport):
    """Keeps what is written to it, one entry per write."""

    def __init__(self):
        super().__init__()
        self.writes, self.closed = [], False

    def write(self, data):
        self.writes.append(bytes(data))

    def pause_reading(self):
        """Reads are not paced here."""

    resume_reading = pause_reading

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True


async def echo(scope, receive, send):
    body = await read_body(receive, 1000)
    await respond(send, 200 if body else 404, body, [JSON, (b"x-request-id", scope["path"].encode())])


class Echo:
    """The same as an application that takes a POST of `/a` in the short way."""

    def __init__(self):
        self.whole_paths = {b"/a": "/a"}

    def __call__(self, scope, receive, send):
        return echo(scope, receive, send)


def connect(protocol, app=echo):
    """A connection of a server with this protocol, and what it writes to."""
    without = {"log_config": None, "date_header": False, "server_header": False, "proxy_headers": False}
    config = uvicorn.Config(app, interface="asgi3", **without)
    config.load()
    connection, wire = protocol(config, ServerState(), {}, asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)
    return connection, wire


async def served(protocol, *received, app=echo):
    """What a server with this protocol writes for the bytes of a connection, which come in these parts."""
    connection, wire = connect(protocol, app)
    for part in received:
        connection.data_received(part)
    async with asyncio.timeout(60):
        while not wire.closed and (connection.pipeline or not connection.cycle.response_complete):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    connection.connection_lost(None)
    return wire


POST = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n%b\r\nhello"


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST % b"",
        POST % b"connection: close\r\n",
        POST % b"expect: 100-continue\r\n",
        POST.replace(b"1.1", b"1.0") % b"",
        POST % b"" + POST.replace(b"/a", b"/b") % b"",
        b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n",
        b"HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /a%0d%0ax-forged:%201 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
@pytest.mark.parametrize("app", [echo, Echo()], ids=["uvicorn's way", "short way"])
@pytest.mark.parametrize("parts", [1, 2, 7])
async def test_a_connection_gets_the_bytes_that_uvicorn_itself_would_write(request_bytes, app, parts):
    size = -(-len(request_bytes) // parts)
    received = [request_bytes[start : start + size] for start in range(0, len(request_bytes), size)]
    ours = await served(WholeResponses, *received, app=app)
    theirs = await served(HttpToolsProtocol, *received)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert ours.closed == theirs.closed


async def test_a_response_is_one_write():
    assert len((await served(WholeResponses, POST % b"")).writes) == 1


async def test_requests_of_one_connection_are_answered_one_after_the_other_in_the_short_way():
    connection, wire = connect(WholeResponses, Echo())
    for number in range(1, 4):
        connection.data_received(POST % b"")
        assert isinstance(connection.cycle, Exchange)
        async with asyncio.timeout(60):
            while len(wire.writes) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert len(set(wire.writes)) == 1
    assert not wire.closed
    connection.connection_lost(None)


async def test_an_application_that_fails_in_the_short_way_is_answered_with_500():
    class Failing(Echo):
        async def __call__(self, scope, receive, send):
            raise ValueError("no answer")

    wire = await served(WholeResponses, POST % b"", app=Failing())
    assert wire.writes[0].startswith(b"HTTP/1.1 500 ")
    assert wire.closed


async def test_a_hang_up_reaches_the_task_of_an_exchange():
    seen = []

    class Waiting(Echo):
        async def __call__(self, scope, receive, send):
            seen.append(await receive())
            seen.append(await receive())

    connection, _ = connect(WholeResponses, Waiting())
    connection.data_received(POST % b"")
    await asyncio.sleep(0)
    connection.connection_lost(None)
    async with asyncio.timeout(60):
        while len(seen) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert seen == [
        {"type": "http.request", "body": b"hello", "more_body": False},
        {"type": "http.disconnect"},
    ]


@pytest.mark.parametrize("app", [echo, Echo()], ids=["uvicorn's way", "short way"])
async def test_a_connection_that_is_to_close_closes_with_its_next_answer(app):
    connection, wire = connect(WholeResponses, app)
    connection.close_after_answer()
    assert not wire.closed
    connection.data_received(POST % b"")
    async with asyncio.timeout(60):
        while not wire.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert b"connection: close" in wire.writes[0]


async def test_an_idle_connection_is_closed_after_its_time_and_no_sooner():
    connection, wire = connect(WholeResponses, Echo())
    connection.timeout_keep_alive = 0.2
    loop = asyncio.get_running_loop()
    for _ in range(3):
        connection.data_received(POST % b"")
        await asyncio.sleep(0.1)
        assert not wire.closed
    answered = loop.time() - 0.1
    async with asyncio.timeout(60):
        while not wire.closed:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert loop.time() - answered >= 0.19
