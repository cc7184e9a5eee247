"""Uvicorn's HTTP protocol, with one write per response.

ASGI sends a response in two messages, and uvicorn checks each header by itself and writes head and body apart: a sixth
of the router's time per request. A response that is whole when it is sent needs neither.
"""

import re
from collections.abc import Awaitable, Sequence
from functools import partial

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from gateway.wire.asgi import AsgiApp, Header, Message, Receive, Scope

_LAST_REQUEST_SECONDS = 0.05
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # that no header value may contain


class SendAtOnce:
    """An ASGI `send` that also takes a whole response."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def __call__(self, message: Message) -> Awaitable[None]:
        return self._cycle.send(message)  # type: ignore[arg-type]  # uvicorn names each kind of message

    def whole(self, status: int, body: bytes, headers: Sequence[Header]) -> bool:
        """Write a response with its content-length among `headers`; false where that takes uvicorn's own way."""
        cycle = self._cycle
        usual = not (cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.default_headers)
        if not usual or cycle.scope["method"] == "HEAD" or _CONTROL.search(b" ".join([value for _, value in headers])):
            return False
        close = b"" if cycle.keep_alive else b"connection: close\r\n"
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        cycle.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[status], head, close, body))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


class WholeResponses(HttpToolsProtocol):
    """What the servers of the gateway speak."""

    _closes_after_answer = False

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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: AsgiApp) -> None:  # type: ignore[override]
        cycle.keep_alive = cycle.keep_alive and not self._closes_after_answer
        super()._start_asgi_task(cycle, partial(_answer, app, SendAtOnce(cycle)))


def _answer(app: AsgiApp, send: SendAtOnce, scope: Scope, receive: Receive, _: object) -> Awaitable[None]:
    return app(scope, receive, send)
