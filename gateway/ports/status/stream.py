"""Server-sent updates: each watcher gets the sections that changed, at its own pace, and holds up nobody.

Nothing is queued for a watcher: it gets the newest state when it has taken the one before. One that takes nothing for
a while is disconnected.
"""

import asyncio
from collections.abc import Mapping

import orjson

from gateway.ports.status.watch import PERIOD_SECONDS, PageBuilder
from gateway.rows.refusals import error_body
from gateway.wire.asgi import JSON, RETRY_AFTER, Receive, Scope, Send, respond

WATCHERS_MAX = 16
SEND_SECONDS_MAX = 15.0
SIGN_OF_LIFE_SECONDS = 5.0  # the script calls a page stale that has heard nothing for three times as long
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # a proxy that collects would hold the updates back
    (b"connection", b"close"),  # the stream ends with the gateway, which waits for no idle connection
]


class StatusStream:
    """The endpoint `/status/events`. Streams end when `ending` is set; browsers then connect to the next gateway."""

    def __init__(self, pages: PageBuilder, ending: asyncio.Event) -> None:
        self._pages = pages
        self._ending = ending
        self.watchers = 0

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        if self.watchers >= WATCHERS_MAX:
            body = error_body("TOO_MANY_WATCHERS", f"{WATCHERS_MAX} pages are watching; close one, or read /status")
            await respond(send, 503, body, [JSON, RETRY_AFTER])
            return
        self.watchers += 1
        over = [asyncio.create_task(_disconnected(receive)), asyncio.create_task(self._ending.wait())]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._send_changes(send, over)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            abort = getattr(send, "abort", None)
            if abort is not None:
                abort()
        finally:
            self.watchers -= 1
            for task in over:
                task.cancel()

    async def _send_changes(self, send: Send, over: list[asyncio.Task[object]]) -> None:
        """Send until one of `over` is done. TimeoutError for a watcher that takes nothing."""
        known: Mapping[str, str] = {}
        sent_at = 0.0
        loop = asyncio.get_running_loop()
        while not any(task.done() for task in over):
            page = await self._pages.latest()
            changed = {name: html for name, html in page.sections.items() if known.get(name) != html}
            if changed or loop.time() - sent_at >= SIGN_OF_LIFE_SECONDS:
                event = b"data: " + orjson.dumps({"title": page.title, "sections": changed}) + b"\n\n"
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                known, sent_at = page.sections, loop.time()
            await asyncio.wait(over, timeout=PERIOD_SECONDS, return_when=asyncio.FIRST_COMPLETED)


async def _disconnected(receive: Receive) -> object:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    return None
