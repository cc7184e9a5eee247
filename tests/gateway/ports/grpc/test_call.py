"""What a call says of itself, and how long its message may take."""

import asyncio

import grpc
import pytest

from gateway.ports.grpc import call
from gateway.ports.grpc.call import CallMessage, CallResponse, Uploads, headers_of, status_code
from gateway.rows.refusals import BadRequest
from gateway.wire.asgi import JSON, HeaderBlock


class Context:
    """A call whose client sends `message` after `arrives` is set."""

    def __init__(self, message=b"", metadata=(), seconds=None):
        self.arrives = asyncio.Event()
        self._message, self._metadata, self._seconds = message, metadata, seconds

    async def read(self):
        await self.arrives.wait()
        return self._message

    def invocation_metadata(self):
        return self._metadata

    def time_remaining(self):
        return self._seconds


@pytest.mark.parametrize(
    ("seconds", "stated", "expected"),
    [
        (None, None, None),
        (None, "500", b"500"),
        (2.0, None, b"1900"),
        (0.1, None, b"90"),
        (0.0, None, b"1"),
        (2.0, "500", b"500"),
        (2.0, "5000", b"1900"),
        (2.0, "soon", b"soon"),  # refused later, as over HTTP
        (1e9, None, None),
    ],
)
async def test_a_deadline_is_the_time_that_the_client_waits(seconds, stated, expected):
    metadata = [("x-route-key", "a"), ("trace-bin", b"\x00"), *([("x-request-timeout-ms", stated)] if stated else ())]
    headers = headers_of(Context(metadata=metadata, seconds=seconds))
    assert headers.get(b"x-request-timeout-ms") == expected
    assert headers[b"x-route-key"] == b"a"
    assert b"trace-bin" not in headers


async def test_slow_messages_are_bounded_and_given_up(monkeypatch):
    monkeypatch.setattr(call, "_SLOW_AFTER_SECONDS", 0.01)
    uploads, slow, other = Uploads(slow_max=1), Context(b"slow"), Context(b"other")
    first = asyncio.create_task(uploads.read(slow))
    while not uploads.slow:  # noqa: ASYNC110  a condition without an event of its own
        await asyncio.sleep(0.001)
    with pytest.raises(BadRequest, match="arriving slowly") as refusal:
        await uploads.read(other)
    assert status_code(refusal.value.status, refusal.value.code) is grpc.StatusCode.RESOURCE_EXHAUSTED
    fast = Context(b"fast")
    fast.arrives.set()
    assert await uploads.read(fast) == b"fast"
    slow.arrives.set()
    assert await first == b"slow"
    monkeypatch.setattr(call, "BODY_SECONDS_MAX", 0.02)
    with pytest.raises(BadRequest, match="this one did not") as refusal:
        await uploads.read(other)
    assert status_code(refusal.value.status, refusal.value.code) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert uploads.slow == 0


async def test_a_message_is_read_once_and_a_client_that_sends_none_has_hung_up():
    context = Context(b"body")
    context.arrives.set()
    message = CallMessage(context, Uploads(1))
    assert await message() == {"type": "http.request", "body": b"body", "more_body": False}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(message(), 0.01)
    nothing = Context(grpc.aio.EOF)
    nothing.arrives.set()
    assert await CallMessage(nothing, Uploads(1))() == {"type": "http.disconnect"}


def test_a_response_is_kept_with_the_headers_that_say_more_than_http():
    response = CallResponse()
    block = HeaderBlock.of([(b"x-rung", b"champion")])
    assert response.whole(200, b"body", [JSON, (b"content-length", b"4"), (b"x-request-id", b"mine")], block)
    assert (response.status, response.body) == (200, b"body")
    assert response.metadata == [("x-request-id", "mine"), ("x-rung", "champion")]
