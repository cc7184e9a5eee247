"""Ends requests whose client has hung up, so that no model computes for them.

ASGI reports a hang-up only to a task that waits for it, which costs one task per request. So the many requests that
are answered at once are not watched, only the few that are still running after a while.
"""

import asyncio
import time

from gateway.wire.asgi import Receive

WATCH_AFTER_SECONDS = 0.1


class HangUps:
    """`begin` and `end` every request, `look` every `WATCH_AFTER_SECONDS`. `ended` counts clients that hung up."""

    def __init__(self) -> None:
        self.ended = 0
        self._under_way: dict[asyncio.Task[None], tuple[float, Receive]] = {}
        self._watched: dict[asyncio.Task[None], asyncio.Task[None]] = {}
        self._hung_up: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """How many requests have begun and not ended."""
        return len(self._under_way)

    def begin(self, request: "asyncio.Task[None]", receive: Receive) -> None:
        """Once its body is read; it must not be read from after."""
        self._under_way[request] = (time.monotonic(), receive)

    def end(self, request: "asyncio.Task[None]") -> None:
        del self._under_way[request]
        if (watcher := self._watched.pop(request, None)) is not None:
            watcher.cancel()

    def hung_up(self, request: "asyncio.Task[None]") -> bool:
        """Whether a request that was cancelled was cancelled for this; true once."""
        if request not in self._hung_up:
            return False
        self._hung_up.discard(request)
        self.ended += 1
        return True

    async def look(self) -> None:
        """Begin to watch the requests that are under way for `WATCH_AFTER_SECONDS`."""
        before = time.monotonic() - WATCH_AFTER_SECONDS
        for request, (began, receive) in list(self._under_way.items()):
            if began > before:
                break  # they stand in the order in which they began
            if request not in self._watched:
                self._watched[request] = asyncio.create_task(self._watch(request, receive))

    async def _watch(self, request: "asyncio.Task[None]", receive: Receive) -> None:
        message = await receive()
        if message["type"] == "http.disconnect" and request in self._under_way:
            self._hung_up.add(request)
            request.cancel()
