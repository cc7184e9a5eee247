import asyncio

import pytest

from gateway.rows.refusals import BadRequest
from gateway.wire.asgi import BodyBudget, read_body


def receiving(*chunks, end=True):
    """A `receive` that gives a body in these parts, and hangs up after them where that is not its end."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = not end
    waiting = iter([*messages, {"type": "http.disconnect"}])

    async def receive():
        return next(waiting)

    return receive


async def test_a_body_is_whole_whatever_its_parts():
    for parts in ((b"abcdef",), (b"ab", b"", b"cdef"), (b"",)):
        budget = BodyBudget(100)
        body = await read_body(receiving(*parts), 10, budget=budget)
        assert body == b"".join(parts)
        assert budget.held == len(body)


async def test_bodies_together_are_bounded_and_have_room_again_once_others_are_answered():
    budget = BodyBudget(10)
    first = await read_body(receiving(b"12345678"), 100, budget=budget)
    for parts in ((b"123",), (b"1", b"2", b"3")):
        with pytest.raises(BadRequest, match="other requests hold") as refusal:
            await read_body(receiving(*parts), 100, budget=budget)
        assert (refusal.value.status, budget.held) == (503, 8)
    budget.give_back(len(first))
    assert await read_body(receiving(b"1", b"2", b"3"), 100, budget=budget) == b"123"


async def test_one_body_alone_always_has_room():
    assert await read_body(receiving(b"12345678"), 100, budget=BodyBudget(4)) == b"12345678"


@pytest.mark.parametrize(
    ("parts", "end", "status"),
    [((b"12345", b"678901"), True, 413), ((b"12345678901",), True, 413), ((b"1",), False, 499)],
)
async def test_a_body_that_is_refused_gives_back_what_it_took(parts, end, status):
    budget = BodyBudget(100)
    with pytest.raises(BadRequest) as refusal:
        await read_body(receiving(*parts, end=end), 10, budget=budget)
    assert (refusal.value.status, budget.held) == (status, 0)


async def test_a_body_that_trickles_in_is_given_up(monkeypatch):
    monkeypatch.setattr("gateway.wire.asgi.BODY_SECONDS_MAX", 0.05)
    first = iter([{"type": "http.request", "body": b"1", "more_body": True}])

    async def receive():
        if (message := next(first, None)) is None:
            await asyncio.sleep(60)
        return message

    budget = BodyBudget(100)
    with pytest.raises(BadRequest, match="arrives within") as refusal:
        await read_body(receive, 10, budget=budget)
    assert (refusal.value.status, budget.held) == (408, 0)
