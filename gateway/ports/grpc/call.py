"""One gRPC call as the request handler sees a request: where its message comes from, and where its response goes."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import grpc

from gateway.ports.request_handler import TIMEOUT_MS_MAX
from gateway.rows.refusals import BadRequest
from gateway.wire.asgi import BODY_SECONDS_MAX, Header, HeaderBlock, Message

_SLOW_AFTER_SECONDS = 1.0  # a message that is not whole by then is a slow upload
_DEADLINE_SHARE, _DEADLINE_SECONDS_MAX = 0.1, 0.1  # of a client's deadline, kept for the way back
_UNSENT = frozenset({b"content-type", b"content-length"})  # headers that describe an HTTP body


def headers_of(context: Any) -> dict[bytes, bytes]:
    """The metadata of a call as headers, with the time that its client waits as `x-request-timeout-ms`."""
    headers = {key.encode(): value.encode() for key, value in context.invocation_metadata() if isinstance(value, str)}
    seconds = context.time_remaining()
    if seconds is not None and seconds < TIMEOUT_MS_MAX / 1000:
        usable = seconds - min(seconds * _DEADLINE_SHARE, _DEADLINE_SECONDS_MAX)
        stated = headers.get(b"x-request-timeout-ms")
        if stated is None or (stated.isdigit() and int(stated[:10]) > usable * 1000):
            headers[b"x-request-timeout-ms"] = b"%d" % max(1, int(usable * 1000))
    return headers


class Uploads:
    """Reads the messages of calls, and bounds how many of them may arrive slowly at the same time.

    Only whole messages count against the budget of all bodies, because gRPC keeps the others to itself.
    """

    def __init__(self, slow_max: int) -> None:
        self.slow = 0
        self._slow_max = slow_max

    async def read(self, context: Any) -> bytes | None:
        """The message of a call, None where its client sent none; BadRequest where it takes too long."""
        reading = asyncio.ensure_future(context.read())
        try:
            done, _ = await asyncio.wait([reading], timeout=_SLOW_AFTER_SECONDS)
            if not done:
                await self._read_slowly(reading)
            content = reading.result()
        finally:
            reading.cancel()
        return content if isinstance(content, bytes) else None

    async def _read_slowly(self, reading: "asyncio.Future[Any]") -> None:
        if self.slow >= self._slow_max:
            message = f"{self.slow} other messages are arriving slowly; try again later"
            raise BadRequest(message, status=503, code="OVERLOADED")
        self.slow += 1
        try:
            done, _ = await asyncio.wait([reading], timeout=BODY_SECONDS_MAX - _SLOW_AFTER_SECONDS)
        finally:
            self.slow -= 1
        if not done:
            message = f"a message arrives within {BODY_SECONDS_MAX:.0f} s; this one did not"
            raise BadRequest(message, status=408, code="BAD_REQUEST")


class CallMessage:
    """The ASGI `receive` of a call. The message is read when the handler asks for it, after its checks."""

    def __init__(self, context: Any, uploads: Uploads) -> None:
        self._context = context
        self._uploads = uploads
        self._asked = False

    async def __call__(self) -> Message:
        """The message; after it nothing, because gRPC cancels the task of a call whose client is gone."""
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        content = await self._uploads.read(self._context)
        if content is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": content, "more_body": False}


class CallResponse:
    """The ASGI `send` of a call, which keeps the whole response."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""
        self._headers: list[Header] = []

    def __call__(self, message: Message) -> Awaitable[None]:
        raise RuntimeError(f"expected a whole response, found {message['type']}")

    def whole(self, status: int, body: bytes, headers: Sequence[Header], block: HeaderBlock | None = None) -> bool:
        """Take the response."""
        self.status, self.body = status, body
        self._headers = [*headers, *(() if block is None else block.headers)]
        return True

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The headers as trailing metadata."""
        return [(name.decode(), value.decode("latin-1")) for name, value in self._headers if name not in _UNSENT]


_CODES: Mapping[int, Any] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.INVALID_ARGUMENT,  # fewer rows are needed: the same request again cannot succeed
    499: grpc.StatusCode.CANCELLED,
    502: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


def status_code(status: int, code: str) -> Any:
    """The gRPC status code for a refusal of the HTTP port."""
    if code == "OVERLOADED":
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return _CODES.get(status, grpc.StatusCode.UNKNOWN)
