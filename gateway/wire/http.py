"""Uvicorn's HTTP protocol with a short way for usual requests, and one write per response.

Uvicorn makes a scope of ten entries, an event, a timer and a task per request, and checks and writes each header by
itself: a third of the router's time per request. Nearly every request comes whole in one read, with a plain path. Such
a request is started when its body is there; `Exchange` is all that it needs. Every other request goes uvicorn's way.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.wire.asgi import AsgiApp, Header, HeaderBlock, Message, Receive, Scope

_logger = logging.getLogger("uvicorn.error")
_LAST_REQUEST_SECONDS = 0.05
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # that no header value may contain
_FAILED: tuple[Header, ...] = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"))


class SendAtOnce:
    """An ASGI `send` that also takes a whole response."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def __call__(self, message: Message) -> Awaitable[None]:
        return self._cycle.send(message)  # type: ignore[arg-type]  # uvicorn names each kind of message

    def whole(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None = None) -> bool:
        """Write a response; false where it takes uvicorn's way. `block` are further ones, known to be sound."""
        cycle = self._cycle
        usual = not (cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.default_headers)
        if not usual or cycle.scope["method"] == "HEAD" or not _sound(headers):
            return False
        cycle.transport.write(_encode(status, body, headers, block, keep_alive=cycle.keep_alive))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


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
        if not _sound(headers):
            raise RuntimeError("Invalid HTTP header value.")
        self.response_complete = True
        self.set()
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            return
        connection.transport.write(_encode(status, body, headers, block, keep_alive=self.keep_alive))
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


class WholeResponses(HttpToolsProtocol):
    """What the servers of the gateway speak. For paths that an application names in `whole_paths`, a POST
    that comes whole becomes an exchange."""

    _closes_after_answer = False
    _body: bytes | None = None  # so far, of a request that may become an exchange
    _idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._whole_paths: Mapping[bytes, str] = getattr(self.app, "whole_paths", {})

    def close_after_answer(self) -> None:
        """Close the connection with its next answer, which says so."""
        self._closes_after_answer = True
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Called when the server ends: a connection without a request has a moment left for one that is on its way."""
        self.close_after_answer()
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_LAST_REQUEST_SECONDS, super().shutdown)

    # -- requests -----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._body is not None:
            self._go_uvicorns_way()  # the rest of its body comes later

    def on_message_begin(self) -> None:
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        before = self.cycle
        if (
            (before is None or before.response_complete)
            and self.url in self._whole_paths
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
        ):
            self._body = b""
        else:
            self._begin_uvicorns_way()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        if self._body is None:
            super().on_message_complete()
            return
        body, self._body = self._body, None
        scope = {"type": "http", "method": "POST", "path": self._whole_paths[self.url], "headers": self.headers}
        keep_alive = self.parser.should_keep_alive() and not self._closes_after_answer
        self.cycle = exchange = Exchange(self, scope, body, keep_alive=keep_alive)  # type: ignore[assignment]
        exchange.task = task = self.loop.create_task(exchange.run(self.app))
        self.tasks.add(task)

    def _go_uvicorns_way(self) -> None:
        """Begin a request whose body is not whole yet."""
        body, self._body = self._body, None
        if not self.transport.is_closing():
            self._begin_uvicorns_way()
            if body:
                super().on_body(body)

    def _begin_uvicorns_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # of the scope as well
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: AsgiApp) -> None:  # type: ignore[override]
        cycle.keep_alive = cycle.keep_alive and not self._closes_after_answer
        super()._start_asgi_task(cycle, partial(_answer, app, SendAtOnce(cycle)))

    # -- the timer of an idle connection: it is set anew when it runs out, not at each request -------------------------

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)  # type: ignore[arg-type]  # uvicorn names each kind of message
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_for_request(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            return  # the next response sets the timer
        if left > 0:
            self._wait_for_request(left)
        elif not self.transport.is_closing():
            self.transport.close()

    def _wait_for_request(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self) -> None:
        """Called at each request; the timer goes on."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._body = None
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        super().connection_lost(exc)


def _answer(app: AsgiApp, send: SendAtOnce, scope: Scope, receive: Receive, _: object) -> Awaitable[None]:
    return app(scope, receive, send)


def _sound(headers: Sequence[Header]) -> bool:
    return not any(_CONTROL.search(value) for _, value in headers)


def _encode(
    status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None, *, keep_alive: bool
) -> bytes:
    close = b"" if keep_alive else b"connection: close\r\n"
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    return b"%b%b%b%b\r\n%b" % (STATUS_LINE[status], head, b"" if block is None else block.encoded, close, body)
