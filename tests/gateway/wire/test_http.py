import asyncio

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.wire.asgi import JSON, read_body, respond
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


async def served(protocol, request):
    """What a server with this protocol writes for the bytes of a connection."""
    config = uvicorn.Config(echo, log_config=None, date_header=False, server_header=False)
    config.load()
    connection, wire = protocol(config, ServerState(), {}, asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)
    connection.data_received(request)
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
async def test_a_connection_gets_the_bytes_that_uvicorn_itself_would_write(request_bytes):
    ours, theirs = await served(WholeResponses, request_bytes), await served(HttpToolsProtocol, request_bytes)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert ours.closed == theirs.closed


async def test_a_response_is_one_write():
    assert len((await served(WholeResponses, POST % b"")).writes) == 1
