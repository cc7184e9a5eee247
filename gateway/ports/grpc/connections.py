"""Accepts connections of gRPC clients on a listening socket, and passes their bytes to the gRPC server and back.

grpcio binds its own sockets. But clients are to find another gateway at the moment in which this one ends, so the
listening socket has to be one that a supervisor holds open. And grpcio's server, told to stop, refuses calls that are
on their way on an open connection. So a connection is ended from here: a GOAWAY frame (RFC 9113, section 6.8) tells
the client to send no further calls on it; the client finishes those that it has begun, and closes the connection.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import cast

import structlog

from gateway.ports.listeners import BACKLOG

_log = structlog.get_logger(__name__)
_GOAWAY = bytes.fromhex("000008 07 00 00000000 7fffffff 00000000")  # after every stream; no error
_FRAME_HEAD_BYTES = 9
_CONTINUED = frozenset({1, 5, 9})  # frame types that another frame may have to follow at once
_END_HEADERS = 4
_ACCEPTED_SECONDS = 0.005  # until the loop has begun to serve a connection that it has accepted
_CLOSE_SECONDS_MAX = 5.0  # that a client has to read what was written to it


class FrameBoundaries:
    """Follows the frames of HTTP/2 in a stream of bytes. `between` is true where another frame may be put in."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0  # bytes of the present frame that are still to come
        self._continued = True  # the first frame has to be the server's settings

    @property
    def between(self) -> bool:
        return not (self._left or self._head or self._continued)

    def advance(self, content: bytes) -> None:
        """Go on by these bytes."""
        at, end = 0, len(content)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            step = _FRAME_HEAD_BYTES - len(self._head)
            self._head += content[at : at + step]
            at += step
            if len(self._head) == _FRAME_HEAD_BYTES:
                self._left = int.from_bytes(self._head[:3])
                self._continued = self._head[3] in _CONTINUED and not self._head[4] & _END_HEADERS
                self._head = b""


class _Side(asyncio.Protocol):
    """One end of a connection. What arrives here goes to the other end, as fast as that end takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._other: _Side | None = None
        self._early: list[bytes] = []  # what arrived before there was another end

    def join(self, other: "_Side") -> None:
        """Begin to pass bytes on to the other end."""
        self._other = other
        early, self._early = self._early, []
        for content in early:
            self.data_received(content)

    def write(self, content: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(content)

    def close(self) -> None:
        """Close this end when it has taken all that was written to it, or has had its time."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS_MAX, self.transport.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class, with the same methods

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._other.write(data)

    def pause_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other.transport is not None:
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  why it ended does not matter
        if self._other is not None:
            self._other.close()


class _ServerSide(_Side):
    """The end at the gRPC server, whose bytes consist of frames."""

    def __init__(self) -> None:
        super().__init__()
        self._boundaries = FrameBoundaries()
        self._ending = False

    def end(self) -> None:
        """Have the client begin no further calls on this connection."""
        self._ending = True
        self._say_goodbye()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._boundaries.advance(data)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        if self._ending and self._other is not None and self._boundaries.between:
            self._ending = False
            self._other.write(_GOAWAY)


class _ClientSide(_Side):
    """The end at the client, accepted on the listening socket."""

    def __init__(self, connections: "Connections") -> None:
        super().__init__()
        self._connections = connections
        self._server = _ServerSide()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.open.add(self)
        self._connecting = asyncio.create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.open.discard(self)
        self._connections.closed.set()
        super().connection_lost(exc)

    def end(self) -> None:
        self._server.end()

    async def _connect(self) -> None:
        """Open the connection to the gRPC server, and join both ends."""
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, self._connections.server)
            await loop.create_unix_connection(lambda: self._server, sock=connection)
        except OSError as exc:
            _log.warning("grpc_connection_failed", reason=str(exc))
            connection.close()
            self.close()
            return
        self._server.join(self)
        self.join(self._server)
        if self.transport is None or self.transport.is_closing():
            self._server.close()


class Connections:
    """The connections of all gRPC clients, with TLS if there is a context for it.

    `server` is the address of the gRPC server's Unix socket.
    """

    def __init__(self, server: str, tls: ssl.SSLContext | None = None) -> None:
        self.server = server
        self._tls = tls
        self.open: set[_ClientSide] = set()
        self.closed = asyncio.Event()  # set when one of them is
        self._accepting: asyncio.Server | None = None

    async def accept(self, listener: socket.socket) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_server(
            lambda: _ClientSide(self), sock=listener, backlog=BACKLOG, ssl=self._tls
        )

    async def end(self, seconds_max: float) -> None:
        """Accept nothing more, and return when the clients have closed their connections, or had their time."""
        if self._accepting is not None:
            self._accepting.close()
        await asyncio.sleep(_ACCEPTED_SECONDS)
        for each in list(self.open):
            each.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                while self.open:
                    self.closed.clear()
                    await self.closed.wait()

    def close(self) -> None:
        """Close the connections that are left."""
        for each in list(self.open):
            each.close()
