"""The part of ASGI that the predict port needs, without a framework because every request passes through it."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

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
CHALLENGE: Header = (b"www-authenticate", b'Bearer realm="gateway"')


async def respond(send: Send, status: int, body: bytes, headers: Iterable[Header]) -> None:
    """The whole answer at once."""
    all_headers = [*headers, (b"content-length", b"%d" % len(body))]
    whole = getattr(send, "whole", None)  # where the server takes a response in one piece: see `gateway.wire.http`
    if whole is not None and whole(status, body, all_headers):
        return
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive, bytes_max: int, stated: bytes | None = None) -> bytes:
    """The whole body; BadRequest with 413 once it is too long, and with 499 when the client hangs up before its end.

    `stated` is its content-length: a body that is too long by its own word is refused before it is read.
    """
    if stated is not None and stated.isdigit() and int(stated[:20]) > bytes_max:
        raise BadRequest(
            f"a body has at most {bytes_max} bytes, found a content-length of {stated.decode()[:20]}", status=413
        )
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client hung up before its body was whole", status=499)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > bytes_max:
            raise BadRequest(f"a body has at most {bytes_max} bytes", status=413)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
