"""Uvicorn's HTTP protocol with a short way for usual requests, and one write per response.

Uvicorn makes a scope of ten entries, an event, a timer and a task per request, and checks and writes each header by
itself: a third of the router's time per request. Nearly every request comes whole in one read, with a plain path. Such
a request is started when its body is there; `Exchange` is all that it needs. Every other request goes uvicorn's way.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.wire.asgi import AsgiApp, Header, HeaderBlock, Message, Receive, Scope
from gateway.wire.exchange import Exchange, encode_response, sound

_LAST_REQUEST_SECONDS = 0.05


class SendAtOnce:
    """An ASGI `send` that also takes a whole response."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def __call__(self, message: Message) -> Awaitable[None]:
        return self._cycle.send(message)  # type: ignore[arg-type]  # uvicorn names each kind of message

    def abort(self) -> None:
        """Drop the connection of a client that takes nothing, with all that was written to it."""
        self._cycle.transport.abort()

    def whole(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None = None) -> bool:
        """Write a response; false where it takes uvicorn's way. `block` are further ones, known to be sound."""
        cycle = self._cycle
        usual = not (cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.default_headers)
        if not usual or cycle.scope["method"] == "HEAD" or not sound(headers):
            return False
        cycle.transport.write(encode_response(status, body, headers, block, keep_alive=cycle.keep_alive))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
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
