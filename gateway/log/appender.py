"""Group commit: all that is recorded in one turn of the event loop is one write.

A write into the page cache takes microseconds, and a lone client waits for the way to a thread and back. So the loop
writes by itself while the disk is quick, and leaves it to a thread from the first write that is slow: answers then wait
for their write, and nothing else does.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from gateway.log.segments import Segments, encode_line

_log = structlog.get_logger(__name__)
_SLOW_SECONDS = 0.005
_QUICK_WRITES = 100  # in a row, until a disk that was slow counts as quick again
Settled = Callable[[int, OSError | None], None]  # rows of a write, and what went wrong with it


class _Shared(asyncio.Future[bool]):
    """One future for everybody in a group: whoever is cancelled stops waiting without taking the others along."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002  the signature is asyncio's
        return False


class _Group:
    """What will be one write."""

    __slots__ = ("done", "first", "lines")

    def __init__(self, first: int, loop: asyncio.AbstractEventLoop) -> None:
        self.first = first
        self.lines: list[bytes] = []
        self.done = _Shared(loop=loop)


class Appender:
    """Numbers entries and appends them to one log; `open` first, `close` writes what is left.

    `settled` hears of every write on the loop's thread.
    """

    def __init__(self, segments: Segments, settled: Settled) -> None:
        self.writes = 0
        self._segments = segments
        self._settled = settled
        self._last = 0
        self._group: _Group | None = None
        self._writing: _Group | None = None
        self._quick_writes = _QUICK_WRITES
        self._queue: queue.SimpleQueue[tuple[_Group, bytes] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_all, name="appender", daemon=True)

    @property
    def last(self) -> int:
        """The number of the last entry that was recorded."""
        return self._last

    def open(self) -> None:
        """OSError says why the log cannot be appended to."""
        self._last = self._segments.open()
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        if self._loop is None:
            return
        while (group := self._group or self._writing) is not None:
            await group.done
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._segments.close()

    def record(self, entries: Sequence[Sequence[Any]]) -> "asyncio.Future[bool]":
        """Append entries, each behind its number; done when they are written (true) or could not be (false)."""
        group = self._group
        if group is None:
            assert self._loop is not None, "open the log first"
            group = self._group = _Group(self._last + 1, self._loop)
            if self._writing is None:
                self._loop.call_soon(self._hand_over)
        for entry in entries:
            self._last += 1
            group.lines.append(encode_line((self._last, *entry)))
        return group.done

    def written(self, number: int) -> "asyncio.Future[bool]":
        """Like what `record` gave for the entry with this number."""
        for group in (self._group, self._writing):
            if group is not None and number >= group.first:
                return group.done
        assert self._loop is not None
        done: asyncio.Future[bool] = self._loop.create_future()
        done.set_result(True)
        return done

    def _hand_over(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        self._writing = group
        lines = b"".join(group.lines)
        if self._quick_writes >= _QUICK_WRITES and self._segments.has_room_for(len(lines)):
            self._settle(group, *self._append(group.first, lines))
        else:
            self._queue.put((group, lines))

    def _settle(self, group: _Group, error: OSError | None, seconds: float) -> None:
        self._writing = None
        self._quick_writes = self._quick_writes + 1 if seconds < _SLOW_SECONDS else 0
        self.writes += error is None
        self._settled(len(group.lines), error)
        group.done.set_result(error is None)
        self._hand_over()

    def _append(self, first: int, lines: bytes) -> tuple[OSError | None, float]:
        """What went wrong, and how long it took in seconds."""
        started = time.monotonic()
        error: OSError | None = None
        try:
            self._segments.append(first, lines)
        except OSError as exc:
            error = exc
        return error, time.monotonic() - started

    def _write_all(self) -> None:
        """The thread's life."""
        assert self._loop is not None
        while (waiting := self._queue.get()) is not None:
            group, lines = waiting
            error, seconds = self._append(group.first, lines)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, group, error, seconds)
