"""A request that came whole, and its response: what the short way through a connection needs per request."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.wire.asgi import AsgiApp, Header, HeaderBlock, Message, Scope

if TYPE_CHECKING:
    from gateway.wire.http import WholeResponses

_logger = logging.getLogger("uvicorn.error")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # that no header value may contain
_FAILED: tuple[Header, ...] = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"))


class Exchange:
    """A request that came whole, and its response. It is the ASGI `receive` of the task that answers it.

    In the place of uvicorn's cycle, a connection also reads the attributes below.
    """

    __slots__ = ("_body", "_connection", "_waiter", "disconnected", "keep_alive", "response_complete", "scope", "task")

    def __init__(self, connection: "WholeResponses", scope: Scope, body: bytes, *, keep_alive: bool) -> None:
        self._connection = connection
        self._waiter: asyncio.Future[None] | None = None
        self._body: bytes | None = body
        self.task: asyncio.Task[None] | None = None
        self.scope = scope
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    @property
    def response_started(self) -> bool:
        return self.response_complete

    @property
    def message_event(self) -> "Exchange":
        return self

    def set(self) -> None:
        """Wake the task that waits for a hang-up."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def take_body(self) -> bytes | None:
        """The whole body; None once it was taken."""
        body, self._body = self._body, None
        return body

    async def __call__(self) -> Message:
        """The body, then the end of the connection or of the response."""
        body = self.take_body()
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.disconnected and not self.response_complete:
            self._waiter = self._connection.loop.create_future()
            await self._waiter
        return {"type": "http.disconnect"}

    def respond(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None) -> None:
        """Write the response, or nothing where the client has hung up."""
        if not sound(headers):
            raise RuntimeError("Invalid HTTP header value.")
        self.response_complete = True
        self.set()
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            return
        connection.transport.write(encode_response(status, body, headers, block, keep_alive=self.keep_alive))
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()

    async def run(self, app: AsgiApp) -> None:
        """Have the application answer; a failure of it is logged and answered with 500."""
        try:
            await app(self.scope, self, _ExchangeSend(self))
        except Exception:
            _logger.exception("Exception in ASGI application\n")
            if not self.response_complete:
                self.keep_alive = False
                self.respond(500, b"Internal Server Error", _FAILED, None)
        finally:
            self._connection.tasks.discard(self.task)  # a callback would cost a turn of the loop


class _ExchangeSend:
    """The ASGI `send` of an exchange, for applications that send whole responses."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __call__(self, message: Message) -> Awaitable[None]:
        raise RuntimeError(f"expected a whole response, found {message['type']}")

    def whole(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None = None) -> bool:
        """Write the response."""
        self._exchange.respond(status, body, headers, block)
        return True


def sound(headers: Sequence[Header]) -> bool:
    """Whether no value has a character that headers may not have."""
    return not any(_CONTROL.search(value) for _, value in headers)


def encode_response(
    status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None, *, keep_alive: bool
) -> bytes:
    """A response as it is written to the connection; `block` are further headers."""
    close = b"" if keep_alive else b"connection: close\r\n"
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b%b%b%b\r\n%b" % (STATUS_LINE[status], head, b"" if block is None else block.encoded, close, body)
