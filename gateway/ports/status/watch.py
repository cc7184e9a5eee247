"""Builds the page while somebody watches: at most once per second, however many watch, and away from the event loop."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.ports.state import GatewayState
from gateway.ports.status.disk import ReleaseHistory
from gateway.ports.status.document import disk_document, guarded, live_document
from gateway.ports.status.render import page_title, render_sections
from gateway.ports.status.traffic import TrafficWindow
from gateway.workers.store_calls import StoreCalls
from healing.errors import StoreUnavailable

PERIOD_SECONDS = 1.0
_DISK_SECONDS_MAX = 1.0


@dataclass(frozen=True, slots=True)
class BuiltPage:
    """One state of the page: its document as JSON, the title, and HTML per section."""

    document: bytes
    title: str
    sections: dict[str, str]


class PageBuilder:
    """The page of one gateway. Reading its state takes the event loop a fraction of a millisecond.

    Disks are read and HTML is rendered in threads. A disk that hangs costs its sections, not the page.
    """

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._history = ReleaseHistory(state.settings.root)
        self._disk_calls = StoreCalls(calls_max=1)
        self._building = asyncio.Lock()
        self._built: BuiltPage | None = None
        self._built_at = 0.0

    async def latest(self) -> BuiltPage:
        """The page as it was less than a second ago."""
        async with self._building:
            if self._built is None or time.monotonic() - self._built_at >= PERIOD_SECONDS:
                live, window = live_document(self._state), self._state.traffic.capture()
                disk = await self._read_disk()
                self._built = await asyncio.to_thread(lambda: build_page(page_document(live, disk, window)))
                self._built_at = time.monotonic()
            return self._built

    async def _read_disk(self) -> dict[str, Any]:
        try:
            return await self._disk_calls.run(_DISK_SECONDS_MAX, disk_document, self._state, self._history)
        except StoreUnavailable as exc:
            unseen = {"error": str(exc)}
            return {"releases": unseen, "control_plane": unseen}


def page_document(live: dict[str, Any], disk: dict[str, Any], window: TrafficWindow) -> dict[str, Any]:
    """The document at `/status`."""
    return {**live, "traffic": guarded(window.document), **disk}


def build_page(document: dict[str, Any]) -> BuiltPage:
    """The page of a document. Numbers that JSON cannot hold become null."""
    return BuiltPage(
        document=orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS, default=str),
        title=page_title(document),
        sections=render_sections(document),
    )
