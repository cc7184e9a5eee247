"""Keep-alive connections of a load: one request at a time per connection, parsed by httptools."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from chaos.load.answer import Exchange, Lost
from chaos.load.request import Address, Request
from chaos.trust import tls_context

__all__ = ["Connections", "NextRequest", "OnExchange"]

NextRequest = Callable[[int], Request]
OnExchange = Callable[[Exchange], None]

TIMEOUT_CHECK_SECONDS = 0.05  # how late a timeout may be noticed; a timer per request would cost more than its parsing

# Servers close idle connections (uvicorn after 5 s), and a request that meets the closing fails. The client closes
# them first.
IDLE_SECONDS_MAX = 2.0


class _Connection(asyncio.Protocol):
    """One connection. `exchange` waits for one response; httptools calls the `on_` methods."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._response: asyncio.Future[None] | None = None
        self._received = b""
        self._body = b""
        self._keep_alive = True
        self.deadline = 0.0
        self.last_used_at = 0.0

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, octets: bytes, record: Exchange) -> None:
        """Send a request and complete `record` with its response. Raises OSError or TimeoutError when none comes."""
        if self._transport is None:
            raise ConnectionResetError("the connection was closed before the request was sent")
        self._received = self._body = b""
        self._response = self._loop.create_future()
        self._transport.write(octets)
        await self._response
        record.answered_at = self.last_used_at
        record.status = self._parser.get_status_code()
        record.head = self._received[: self._received.index(b"\r\n\r\n")]
        record.body = self._body
        if not self._keep_alive:
            self.close()

    def expire(self) -> None:
        """End a request that is past its deadline, and the connection with it: its response may still come."""
        self._fail(TimeoutError("no whole response in time"))
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from asyncio's

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            self.close()  # nothing was asked
            return
        self._received = self._received + data if self._received else data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(ConnectionError(f"expected HTTP, found {exc}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def on_headers_complete(self) -> None:
        self._keep_alive = self._parser.should_keep_alive()  # the parser forgets it at the end of the message

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        self.last_used_at = time.monotonic()
        response, self._response = self._response, None
        if response is not None and not response.done():
            response.set_result(None)

    def _fail(self, exc: Exception) -> None:
        response, self._response = self._response, None
        if response is not None and not response.done():
            response.set_exception(exc)


@dataclass(slots=True)
class Connections:
    """Sends requests to one address over connections that it opens, keeps and closes. Use it as a context."""

    address: Address
    timeout_seconds: float
    _idle: list[_Connection] = field(default_factory=list)
    _busy: set[_Connection] = field(default_factory=set)
    _watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Connections":
        self._watching = asyncio.create_task(self._watch_deadlines())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
        for connection in (*self._idle, *self._busy):
            connection.close()

    async def open(self, count: int) -> None:
        """Open `count` connections beforehand; OSError when one is refused."""
        self._idle.extend([await self._connect() for _ in range(count)])

    async def send(self, request: Request, index: int, due: float) -> Exchange:
        """Send one request and wait for its end, whatever that is."""
        record = Exchange(index, request.row, due, time.monotonic(), 0.0)
        connection = None
        try:
            connection = self._take_idle() or await self._connect()
            connection.deadline = record.sent_at + self.timeout_seconds
            self._busy.add(connection)
            await connection.exchange(self.address.encode(request), record)
        except TimeoutError as exc:
            _lose(record, Lost.TIMED_OUT, exc)
        except OSError as exc:
            _lose(record, Lost.BROKEN, exc)
        finally:
            if connection is not None:
                self._busy.discard(connection)
                if connection.usable:
                    self._idle.append(connection)
        return record

    def _take_idle(self) -> _Connection | None:
        """The connection that was used last; those that were idle for too long are closed."""
        oldest_usable = time.monotonic() - IDLE_SECONDS_MAX
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.last_used_at >= oldest_usable:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.timeout_seconds):
            address = self.address
            _, connection = await loop.create_connection(
                _Connection, address.host, address.port, ssl=tls_context() if address.tls else None
            )
        connection.last_used_at = time.monotonic()
        return connection

    async def _watch_deadlines(self) -> None:
        while True:
            await asyncio.sleep(TIMEOUT_CHECK_SECONDS)
            now = time.monotonic()
            for connection in [each for each in self._busy if each.deadline < now]:
                connection.expire()


def _lose(record: Exchange, lost: Lost, exc: Exception) -> None:
    record.answered_at = time.monotonic()
    record.lost = lost
    record.error = f"{type(exc).__name__}: {exc}"
