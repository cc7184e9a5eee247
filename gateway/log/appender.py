"""Group commit: all that is recorded in one turn of the event loop is one write, made by a thread.

A write into the page cache takes microseconds, and a disk or a network mount that hangs takes for ever. So a thread
writes, the loop goes on with other requests, and only the answers of this turn wait for their write, for at most
`_WAIT_SECONDS_MAX`. Then they leave, and count as unlogged until the disk takes them.

Where one request is all that there is to write, its client is probably alone. While the disk is quick, the loop then
waits for the thread for at most half a millisecond, which spares this client the way through the loop and back.
"""

import asyncio
import contextlib
import errno
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog

from gateway.log.segments import Segments, encode_line

_log = structlog.get_logger(__name__)
_SLOW_SECONDS = 0.005
_QUICK_SECONDS = 0.0005  # that the loop itself waits: ten times what a write and the way to the thread take
_QUICK_WRITES = 100  # in a row, until a disk that was slow counts as quick again
_WAIT_SECONDS_MAX = 0.5  # of an answer for its write; a client's patience is worth more than its row in the log
_WAITING_BYTES_MAX = 32 * 2**20  # of rows that wait for a disk that hangs; more of them are not logged at all
_CLOSE_SECONDS_MAX = 3.0
_ENCODED_AT_ONCE_MAX = 64  # entries of one request
Settled = Callable[[int, OSError | None], None]  # rows of a write, and what went wrong with it


class DiskStalls(OSError):
    """The disk has not taken a write for a while; it may still take it."""


class _Shared(asyncio.Future[bool]):
    """One future for everybody in a group: whoever is cancelled stops waiting without taking the others along."""

    def cancel(self, msg: Any = None) -> bool:  # noqa: ARG002  the signature is asyncio's
        return False


class _Many(NamedTuple):
    """The entries of a large request: encoding them takes milliseconds, which the thread has and the loop has not."""

    first: int
    entries: Sequence[Sequence[Any]]

    def bytes_expected(self) -> int:
        """As many as if all entries were like the first."""
        return len(self.entries) * len(encode_line((self.first, *self.entries[0])))

    def encode(self) -> bytes:
        return b"".join([encode_line((number, *entry)) for number, entry in enumerate(self.entries, self.first)])


class _Group:
    """What will be one write. `late` rows were answered before they were written."""

    __slots__ = (
        *("awaited", "done", "error", "finished", "first", "late", "lines", "requests", "rows", "seconds", "size"),
    )

    def __init__(self, first: int, loop: asyncio.AbstractEventLoop) -> None:
        self.first = first
        self.lines: list[bytes | _Many] = []
        self.rows = 0
        self.requests = 0
        self.size = 0
        self.late = 0
        self.done = _Shared(loop=loop)
        self.error: OSError | None = None
        self.seconds = 0.0
        self.finished: threading.Lock | None = None  # released by the thread where the loop waits for it
        self.awaited = False  # by the loop; else the thread has to call the loop


class Appender:
    """Numbers entries and appends them to one log; `open` first, `close` writes what is left.

    On the loop's thread, `settled` hears of every write, and of rows that were answered without waiting any longer;
    `recovered` hears how many such rows were written in the end.
    """

    def __init__(self, segments: Segments, settled: Settled, recovered: Callable[[int], None] = lambda _: None) -> None:
        self.writes = 0
        self._segments = segments
        self._settled = settled
        self._recovered = recovered
        self._last = 0
        self._group: _Group | None = None
        self._writing: _Group | None = None
        self._stalls = False
        self._quick_writes = _QUICK_WRITES
        self._queue: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._handover = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._patience: asyncio.TimerHandle | None = None  # runs out where the present write stalls
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
        """Write what is left. A disk that hangs is left alone after a while: the process ends all the same."""
        if self._loop is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS_MAX):
                while self._group is not None or self._writing is not None:  # noqa: ASYNC110  once, at the end
                    await asyncio.sleep(0.001)
                self._queue.put(None)
                while self._thread.is_alive():  # noqa: ASYNC110  a thread sets no event of the loop
                    await asyncio.sleep(0.001)
                self._segments.close()

    def record(self, entries: Sequence[Sequence[Any]]) -> "asyncio.Future[bool]":
        """Append entries, each behind its number; done when they are written (true), or were not in time (false)."""
        assert self._loop is not None, "open the log first"
        group = self._group
        if self._stalls and group is not None and group.size > _WAITING_BYTES_MAX:
            self._settled(len(entries), self._stall_error())
            return self._resolved(written=False)
        if group is None:
            group = self._group = _Group(self._last + 1, self._loop)
            if self._writing is None:
                self._loop.call_soon(self._hand_over)
        group.requests += 1
        group.rows += len(entries)
        if len(entries) > _ENCODED_AT_ONCE_MAX:
            many = _Many(self._last + 1, entries)
            group.size += many.bytes_expected()
            group.lines.append(many)
            self._last += len(entries)
        else:
            for entry in entries:
                self._last += 1
                line = encode_line((self._last, *entry))
                group.size += len(line)
                group.lines.append(line)
        if self._stalls:
            group.late += len(entries)
            self._settled(len(entries), self._stall_error())
            return self._resolved(written=False)
        return group.done

    def written(self, number: int) -> "asyncio.Future[bool]":
        """Like what `record` gave for the entry with this number."""
        for group in (self._group, self._writing):
            if group is not None and number >= group.first:
                return self._resolved(written=False) if self._stalls else group.done
        return self._resolved(written=True)

    def _resolved(self, *, written: bool) -> "asyncio.Future[bool]":
        assert self._loop is not None
        done: asyncio.Future[bool] = self._loop.create_future()
        done.set_result(written)
        return done

    def _hand_over(self) -> None:
        """Give the group to the thread; with one request in it, wait for the thread for a moment."""
        group, self._group = self._group, None
        if group is None:
            return
        self._writing = group
        assert self._loop is not None
        quick = self._quick_writes >= _QUICK_WRITES
        if quick and group.requests == 1 and self._segments.has_room_for(group.size):
            group.awaited, group.finished = True, threading.Lock()
            group.finished.acquire()
            self._queue.put(group)
            group.finished.acquire(timeout=_QUICK_SECONDS)
            if self._is_written(group):
                self._settle(group)
                return
        else:
            self._queue.put(group)
        if not self._stalls:
            self._patience = self._loop.call_later(_WAIT_SECONDS_MAX, self._let_go, group)

    def _is_written(self, group: _Group) -> bool:
        """Whether the thread has written a group that the loop waited for; if not, the thread calls the loop later."""
        with self._handover:
            written, group.awaited = not group.awaited, False
        return written

    def _let_go(self, group: _Group) -> None:
        """Let answers leave whose rows the disk has not taken yet, and all later ones until it takes these."""
        if group.done.done() or self._writing is not group:
            return
        self._stalls = True
        waiting = [group] if self._group is None else [group, self._group]
        for each in waiting:
            rows = each.rows - each.late
            each.late += rows
            self._settled(rows, self._stall_error())
            if not each.done.done():
                each.done.set_result(False)
        _log.warning("log_stalls", entries=sum(each.late for each in waiting))

    def _settle(self, group: _Group) -> None:
        self._writing = None
        self._stalls = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._quick_writes = self._quick_writes + 1 if group.seconds < _SLOW_SECONDS else 0
        self.writes += group.error is None
        in_time = group.rows - group.late
        if group.late and group.error is None:
            self._recovered(group.late)
        self._settled(in_time, group.error)
        if not group.done.done():
            group.done.set_result(group.error is None)
        self._hand_over()

    def _stall_error(self) -> DiskStalls:
        return DiskStalls(f"the disk has not taken a write for {_WAIT_SECONDS_MAX} s")

    def _append(self, group: _Group) -> None:
        started = time.monotonic()
        try:
            self._segments.append(
                group.first, b"".join([line if isinstance(line, bytes) else line.encode() for line in group.lines])
            )
        except OSError as exc:
            group.error = exc
        except TypeError as exc:  # a value that is no JSON; the thread goes on
            group.error = OSError(errno.EINVAL, f"an entry cannot be encoded: {exc}")
        group.seconds = time.monotonic() - started

    def _write_all(self) -> None:
        """The thread's life."""
        assert self._loop is not None
        while (group := self._queue.get()) is not None:
            self._append(group)
            if group.finished is not None:
                with self._handover:
                    awaited, group.awaited = group.awaited, False
                if awaited:
                    group.finished.release()
                    continue
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, group)
