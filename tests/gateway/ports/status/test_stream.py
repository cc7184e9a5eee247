"""Server-sent updates: only what changed, at most so many watchers, and nobody waits for one that takes nothing."""

import asyncio
import json

import pytest

from gateway.ports.status import stream as streaming
from gateway.ports.status.stream import WATCHERS_MAX, StatusStream
from gateway.ports.status.watch import BuiltPage

SCOPE = {"type": "http", "method": "GET", "path": "/status/events", "headers": []}


class Pages:
    """The newest page, as a test sets it."""

    def __init__(self):
        self.page = BuiltPage(b"{}", "tiny: Serving 1.0.0", {"headline": "one", "data": "same"})

    async def latest(self):
        return self.page


class Watcher:
    """A client of the stream. One that `hangs` takes the headers and nothing more."""

    def __init__(self, stream, *, hangs=False):
        self.messages, self.aborted = [], False
        self._hangs = hangs
        self._gone = asyncio.Event()
        self.task = asyncio.create_task(stream(SCOPE, self._receive, self))

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def __call__(self, message):
        if self._hangs and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.messages.append(message)

    def abort(self):
        self.aborted = True

    def leave(self):
        self._gone.set()

    @property
    def status(self):
        return self.messages[0]["status"] if self.messages else None

    @property
    def updates(self):
        bodies = [message["body"] for message in self.messages[1:] if message["body"]]
        return [json.loads(body.removeprefix(b"data: ")) for body in bodies]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(streaming, "PERIOD_SECONDS", 0.01)


async def eventually(holds):
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  what is awaited is the state of another object
            await asyncio.sleep(0.005)


async def test_a_watcher_gets_everything_once_and_then_what_changed():
    pages, ending = Pages(), asyncio.Event()
    watcher = Watcher(StatusStream(pages, ending))
    await eventually(lambda: watcher.updates)
    pages.page = BuiltPage(b"{}", "tiny: Serving 1.1.0", {"headline": "two", "data": "same"})
    await eventually(lambda: len(watcher.updates) == 2)
    assert [each["sections"] for each in watcher.updates] == [{"headline": "one", "data": "same"}, {"headline": "two"}]
    ending.set()
    await asyncio.wait_for(watcher.task, 30)
    assert watcher.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_watcher_hears_something_while_nothing_changes(monkeypatch):
    monkeypatch.setattr(streaming, "SIGN_OF_LIFE_SECONDS", 0.02)
    watcher = Watcher(StatusStream(Pages(), asyncio.Event()))
    await eventually(lambda: len(watcher.updates) >= 3)
    assert watcher.updates[-1]["sections"] == {}
    watcher.leave()
    await asyncio.wait_for(watcher.task, 30)


async def test_one_that_leaves_makes_room_and_one_too_many_is_refused():
    stream = StatusStream(Pages(), asyncio.Event())
    watchers = [Watcher(stream) for _ in range(WATCHERS_MAX)]
    await eventually(lambda: all(each.updates for each in watchers))
    refused = Watcher(stream)
    await asyncio.wait_for(refused.task, 30)
    assert refused.status == 503
    watchers[0].leave()
    await eventually(lambda: stream.watchers == WATCHERS_MAX - 1)
    late = Watcher(stream)
    await eventually(lambda: late.updates)
    for each in (*watchers, late):
        each.leave()
    await asyncio.wait_for(asyncio.gather(*(each.task for each in (*watchers, late))), 30)
    assert stream.watchers == 0


async def test_one_that_takes_nothing_is_dropped_and_delays_no_other(monkeypatch):
    monkeypatch.setattr(streaming, "SEND_SECONDS_MAX", 0.3)
    pages = Pages()
    stream = StatusStream(pages, asyncio.Event())
    hanging, other = Watcher(stream, hangs=True), Watcher(stream)
    await eventually(lambda: other.updates)
    assert not hanging.aborted
    await asyncio.wait_for(hanging.task, 30)
    assert hanging.aborted
    assert stream.watchers == 1
    pages.page = BuiltPage(b"{}", "x", {"headline": "two"})
    await eventually(lambda: len(other.updates) == 2)
    other.leave()
    await asyncio.wait_for(other.task, 30)
