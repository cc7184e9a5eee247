"""The predict port with a span per sampled request, and the durations of all requests for `RequestTracer`."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from gateway.ports.predict import PredictPort
from gateway.reporting.request_tracer import RequestTracer
from gateway.wire.asgi import Header, HeaderBlock, Message, Receive, Scope, Send
from observability.span import Span

_PATH_CHARACTERS_MAX = 200


class TracedPort:
    """The ASGI application of the predict port. Only POST requests count: probes by GET would outnumber them."""

    def __init__(self, port: PredictPort, tracer: RequestTracer) -> None:
        self.whole_paths: Mapping[bytes, str] = port.whole_paths
        self._port = port
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await self._port(scope, receive, send)
            return
        started = time.perf_counter()
        route = _route(scope["path"])
        span = self._begin(scope, route)
        answer = _TracedSend(send, span)
        try:
            if span is None:
                await self._port(scope, receive, answer)
            else:
                await self._answer(span, scope, receive, answer)
        finally:
            self._tracer.observe(route, answer.status or 500, time.perf_counter() - started)

    def _begin(self, scope: Scope, route: str) -> Span | None:
        attributes = {
            "http.request.method": "POST",
            "url.path": scope["path"][:_PATH_CHARACTERS_MAX],
            "url.scheme": scope.get("scheme", "http"),
        }
        if route:
            attributes["http.route"] = route
        return self._tracer.begin(f"POST {route}".rstrip(), scope["headers"], attributes)

    async def _answer(self, span: Span, scope: Scope, receive: Receive, answer: "_TracedSend") -> None:
        with span.current():
            await self._port(scope, receive, answer)
            if answer.status:
                span.attributes["http.response.status_code"] = answer.status
            if not answer.status:
                span.fail("the client hung up before the answer", "client_gone")
            elif answer.status >= 500:
                span.fail(f"status {answer.status}", str(answer.status))


def _route(path: str) -> str:
    """The path with its variable parts named: a label with few values. Empty for a path that there is not."""
    match path.split("/"):
        case ["", "invocations" | "feedback" as name]:
            return f"/{name}"
        case ["", "v2", "models", _, "infer"]:
            return "/v2/models/{model_name}/infer"
        case ["", "v2", "models", _, "versions", _, "infer"]:
            return "/v2/models/{model_name}/versions/{model_version}/infer"
    return ""


class _TracedSend:
    """An ASGI `send` that keeps the status, and names the span in `traceresponse` where there is one."""

    __slots__ = ("_headers", "_send", "status")

    def __init__(self, send: Send, span: Span | None) -> None:
        self.status = 0
        self._send = send
        self._headers: list[Header] = []
        if span is not None:
            self._headers.append((b"traceresponse", span.context.traceparent.encode()))

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._headers]}
        return self._send(message)

    def whole(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None = None) -> bool:
        """Write the response in one piece; false where the server cannot."""
        whole: Any = getattr(self._send, "whole", None)
        if whole is None or not whole(status, body, [*headers, *self._headers], block):
            return False
        self.status = status
        return True
