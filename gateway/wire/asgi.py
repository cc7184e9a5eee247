"""The part of ASGI that the predict port needs, without a framework because every request passes through it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

from gateway.rows.refusals import BadRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")
HTML: Header = (b"content-type", b"text/html; charset=utf-8")
RETRY_AFTER: Header = (b"retry-after", b"1")
BODY_SECONDS_MAX = 30.0  # a body that trickles in holds memory all the while
CHALLENGE: Header = (b"www-authenticate", b'Bearer realm="gateway"')


class HeaderBlock(NamedTuple):
    """Headers that many responses have, and the same encoded once. Their values are known to be sound."""

    headers: tuple[Header, ...]
    encoded: bytes

    @classmethod
    def of(cls, headers: Iterable[Header]) -> "HeaderBlock":
        fixed = tuple(headers)
        return cls(fixed, b"".join(b"%b: %b\r\n" % header for header in fixed))


async def respond(
    send: Send, status: int, body: bytes, headers: Iterable[Header], block: HeaderBlock | None = None
) -> None:
    """The whole answer at once; `block` are further headers."""
    all_headers = [*headers, (b"content-length", b"%d" % len(body))]
    whole = getattr(send, "whole", None)  # where the server takes a response in one piece: see `gateway.wire.http`
    if whole is not None and whole(status, body, all_headers, block):
        return
    if block is not None:
        all_headers += block.headers
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


class BodyBudget:
    """Bounds the bytes of all request bodies together. `held` are the bytes of those that are read or answered now."""

    def __init__(self, bytes_max: int) -> None:
        self.held = 0
        self._bytes_max = bytes_max

    def take(self, size: int) -> None:
        """BadRequest with 503 where there is no room; one body alone always has room."""
        if self.held and self.held + size > self._bytes_max:
            message = f"the bodies of other requests hold {self.held} bytes of {self._bytes_max}; try again later"
            raise BadRequest(message, status=503, code="OVERLOADED")
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size


async def read_body(
    receive: Receive, bytes_max: int, stated: bytes | None = None, budget: BodyBudget | None = None
) -> bytes:
    """The whole body; BadRequest with 413 once it is too long, with 408 when it takes too long, and with 499 when the
    client hangs up before its end. What it takes of `budget` the caller gives back.

    `stated` is its content-length: a body that is too long by its own word is refused before it is read.
    """
    if stated is not None and stated.isdigit() and int(stated[:20]) > bytes_max:
        raise BadRequest(
            f"a body has at most {bytes_max} bytes, found a content-length of {stated.decode()[:20]}", status=413
        )
    take_body = getattr(receive, "take_body", None)  # where the server has the whole body: see `gateway.wire.http`
    body: bytes | None = None if take_body is None else take_body()
    message: Message = {} if body is not None else await receive()
    if body is None and message["type"] == "http.request" and not message.get("more_body", False):
        body = message.get("body", b"")
    if body is not None:
        if len(body) > bytes_max:
            raise BadRequest(f"a body has at most {bytes_max} bytes", status=413)
        if budget is not None:
            budget.take(len(body))
        return body
    budget = budget or BodyBudget(bytes_max)
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            await _read_chunks(message, receive, bytes_max, budget, chunks)
    except TimeoutError as exc:
        budget.give_back(sum(map(len, chunks)))
        raise BadRequest(f"a body arrives within {BODY_SECONDS_MAX:.0f} s; this one did not", status=408) from exc
    except BaseException:
        budget.give_back(sum(map(len, chunks)))
        raise
    return b"".join(chunks)


async def _read_chunks(
    message: Message, receive: Receive, bytes_max: int, budget: BodyBudget, chunks: list[bytes]
) -> None:
    """Append the parts of a body to `chunks`, the first of which is in `message`; each is taken from the budget."""
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise BadRequest("the client hung up before its body was whole", status=499)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise BadRequest(f"a body has at most {bytes_max} bytes", status=413)
        budget.take(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return
        message = await receive()
