"""Micro-batching: what arrives while a version computes is its next batch, and a short wait keeps batches full.

A lone client finds the version idle and waits for nothing. Under load a version that took whatever came first would
spend its time on batches of one: a model answers 64 rows in the time of one. So an idle version waits until those who
took part lately are back, at most for half of the time that its last batches took.

When it takes the router longer to write their answers and read their next requests than the version to answer, they go
in two halves, in turn: the version computes one while the router serves the other. Two halves cost a version nearly
twice the processor time, so on one or two processors, which clients use as well, nothing is gained by it.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import orjson
import structlog

from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.outcomes import Answered, Busy, Crashed, Outcome, RowRefused, Silent
from gateway.guards.batch_times import BatchTimes
from gateway.reporting.histogram import BATCH_ROWS, Histogram
from gateway.rows.table import Row
from gateway.workers.worker import WorkerAbsent, WorkerDied, WorkerSilent
from releases.exposition import Distribution

_log = structlog.get_logger(__name__)
_ENOUGH = 0.75  # of those who took part: waiting for the last few leaves the version idle
_RECENT = 0.2  # weight of the latest batch in what is known of the recent ones
_PIECE_PARTS = 4  # a piece of a large request is at most this part of a batch while other requests share the version
_FIRST_PIECE_ROWS = 16  # of a large request while nothing is known of the version's speed
_SHARED_SECONDS = 1.0  # after its last request that fits, a version is no longer shared
_WAIT_FACTOR = 2  # a wait is foreseen with some error: only beyond twice the allowed one a request leaves the queue
_SLOWER = 2  # one of several workers may be slow: a batch counts for at most this multiple of the recent ones


class BatchWorkers(Protocol):
    """Who answers batches: `ready_count` workers do now, and `predict` chooses one of them."""

    @property
    def ready_count(self) -> int: ...

    async def predict(self, columns: bytes) -> tuple[Sequence[float], str]:
        """A value for each row, and a note on rows that are NaN; raises BatchLost."""
        ...


@dataclass(slots=True)
class _Waiting:
    """A request in the queue; `sent` of its rows were sent, and `values` came back for them."""

    rows: Sequence[Row]
    since: float
    until: float
    outcome: "asyncio.Future[Outcome]"
    sent: int = 0
    values: list[float] = field(default_factory=list)

    @property
    def rows_left(self) -> int:
        return len(self.rows) - self.sent


class TimedBatch(NamedTuple):
    """A batch as it was sent, and how long its answer took."""

    columns: bytes
    seconds: float


class _Piece(NamedTuple):
    """The part of a request that travels in one batch; most requests are one piece."""

    waiting: _Waiting
    rows: Sequence[Row]


class Batcher:
    """Gathers rows for one version; at most one batch per ready worker is on its way at a time.

    A batch that a worker loses is sent once more while another worker is ready. A request that is larger than a batch
    is sent in pieces, one at a time, which take turns with the requests that fit. So it delays others by one piece at a
    time, and only itself where it cannot be answered before its deadline.
    """

    def __init__(self, workers: BatchWorkers, limits: BatchLimits, router: RouterCost) -> None:
        self.pending_rows = 0  # of requests that fit in a batch
        self.large_rows = 0  # of requests that are sent in pieces
        self.batches = 0
        self.batch_rows = Histogram(BATCH_ROWS)
        self._batch_seconds = 0.0
        self.times = BatchTimes()
        self.note = ""  # the model's last complaint about a row
        self._slowest: TimedBatch | None = None
        self._workers = workers
        self._limits = limits
        self._router = router
        self._queue: deque[_Waiting] = deque()
        self._large: deque[_Waiting] = deque()
        self._fitting_at = -math.inf  # when a request that fits in a batch was last submitted
        self._loop: asyncio.AbstractEventLoop | None = None  # kept, because asking for it takes a system call
        self._senders: set[asyncio.Task[None]] = set()  # each sends one batch after the other
        self._gathering = False  # whether one of them gathers the next batch, or is about to
        self._slots = 1  # batches that may be on their way at a time
        self._requests_under_way = 0
        self._enough = asyncio.Event()
        self._enough_requests = 1
        self._rows_after_silence = limits.rows_max
        self._rows_in_time = limits.rows_max  # that the version answers in the time of a batch, as far as is known
        self._rows_fitting = limits.rows_max  # in the next batch at most
        self._answers = True  # whether the version answered the latest batch
        # Of the recent batches: how long one took, how many rows it had, and how many requests took part.
        self._seconds = 0.0
        self._rows = 1.0
        self._requests = 1.0

    @property
    def full(self) -> bool:
        """Whether a request that came now would wait too long, or take too much room."""
        return self.pending_rows >= self._limits.pending_rows_max or self.wait_seconds > self._limits.queue_seconds_max

    def full_for(self, rows: int) -> bool:
        """Whether a request of `rows` rows would; large ones have room of their own."""
        if rows > self._rows_fitting:
            return self.large_rows >= self._limits.pending_rows_max
        return self.full

    @property
    def wait_seconds(self) -> float:
        """How long a request that came now would wait for the batches before its own."""
        return self._seconds * self.pending_rows / (self._rows_in_time * self._slots)

    @property
    def batch_durations(self) -> Distribution:
        """How many batches were answered, and the sum of their seconds."""
        return Distribution(self.batches, self._batch_seconds)

    def take_slowest(self) -> TimedBatch | None:
        """The answered batch that took longest since the last call; None without any."""
        slowest, self._slowest = self._slowest, None
        return slowest

    def submit(self, rows: Sequence[Row], until: float) -> "asyncio.Future[Outcome]":
        """Queue rows; the future gives the outcome and never an exception.

        A batch that fails is one failure of the version, not one per request that was in it. A request that still
        waits at `until` (monotonic seconds), or whose future is cancelled, is not sent any further.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        now = time.monotonic()
        waiting = _Waiting(rows, now, until, loop.create_future())
        if len(rows) > self._rows_fitting:
            self._large.append(waiting)
            self.large_rows += len(rows)
        else:
            self._queue.append(waiting)
            self.pending_rows += len(rows)
            self._fitting_at = now
        if not self._gathering and len(self._senders) < self._slots:
            self._start_sender(loop)
        elif len(self._queue) >= self._enough_requests or self.pending_rows >= self._rows_fitting:
            self._enough.set()
        return waiting.outcome

    def _size_batches(self) -> None:
        """Fix how many rows the next batch may have, whenever something new is known of the version."""
        if self._seconds > 0:
            fitting = int(self._limits.batch_seconds * self._rows / self._seconds)
            self._rows_in_time = max(1, min(fitting, self._limits.rows_max))
        self._rows_fitting = max(1, min(self._rows_in_time, self._rows_after_silence))

    def _start_sender(self, loop: asyncio.AbstractEventLoop) -> None:
        self._gathering = True
        self._senders.add(loop.create_task(self._send_all(loop)))

    async def _send_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Gather a batch and send it, until nothing waits or another sender does it."""
        sender = asyncio.current_task(loop)
        assert sender is not None
        try:
            while True:
                batch = await self._next_batch()
                self._slots = max(1, self._workers.ready_count)
                if (self._queue or self._large) and len(self._senders) < self._slots:
                    self._start_sender(loop)
                if batch:
                    await self._send_safely(batch)
                if self._gathering or len(self._senders) > self._slots or not (self._queue or self._large):
                    return
                self._gathering = True
        finally:
            self._senders.discard(sender)

    async def _next_batch(self) -> list[_Piece]:
        try:
            await self._gather()
            return self._take()
        finally:
            self._gathering = False

    async def _send_safely(self, batch: list[_Piece]) -> None:
        self._requests_under_way += len(batch)
        try:
            await self._send(batch)
        except Exception as exc:  # noqa: BLE001  whatever goes wrong, nobody may wait for ever
            _log.exception("batch_not_sent")
            self._end(batch, [Busy(f"the batch was not sent: {exc!r}")] * len(batch))
        finally:
            self._requests_under_way -= len(batch)

    async def _gather(self) -> None:
        """Wait until those who took part lately are there, or for half of the time that a batch takes."""
        self._enough_requests = max(1, round(_ENOUGH * self._together(self._requests)))
        if len(self._queue) >= self._enough_requests or self.pending_rows >= self._rows_fitting:
            return
        if not self._queue and not self._shared:
            return
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._seconds / 2, self._limits.wait_seconds_max)):
                await self._enough.wait()

    @property
    def _shared(self) -> bool:
        """Whether requests that fit in a batch came lately."""
        return time.monotonic() - self._fitting_at < _SHARED_SECONDS

    def _together(self, requests: float) -> int:
        """How many of these make a batch: each worker's share, but half of them where the router is the slower one."""
        halves = self._limits.overlaps and self._router.seconds * self._requests > self._seconds
        return max(1, round(requests / max(self._slots, 2 if halves else 1)))

    def _take(self) -> list[_Piece]:
        """The next batch: requests that fit, and at most one piece of a larger one."""
        now, rows_max = time.monotonic(), self._rows_fitting
        requests_max = self._together(max(self._requests, len(self._queue)))
        room = rows_max - max(1, rows_max // _PIECE_PARTS) if self._large and rows_max > 1 else rows_max
        batch: list[_Piece] = []
        rows = 0
        while self._queue and len(batch) < requests_max and (not rows or rows + len(self._queue[0].rows) <= room):
            waiting = self._queue.popleft()
            self.pending_rows -= len(waiting.rows)
            if self._is_over(waiting, now):
                continue
            if len(waiting.rows) > rows_max:  # it fitted when it came
                self._large.append(waiting)
                self.large_rows += len(waiting.rows)
                continue
            batch.append(_Piece(waiting, waiting.rows))
            rows += len(waiting.rows)
        if self._large and rows < rows_max:
            batch += self._take_piece(rows_max - rows, rows_max, now)
        return batch

    def _take_piece(self, room: int, rows_max: int, now: float) -> list[_Piece]:
        """The next rows of the large request whose turn it is; fewer while other requests share the version."""
        while self._large:
            waiting = self._large.popleft()
            if self._is_over(waiting, now):
                self.large_rows -= waiting.rows_left
                continue
            size = min(room, max(1, rows_max // _PIECE_PARTS)) if self._shared else room
            if not self.batches:
                size = min(size, _FIRST_PIECE_ROWS)
            rows = waiting.rows[waiting.sent : waiting.sent + size]
            waiting.sent += len(rows)
            self.large_rows -= len(rows)
            return [_Piece(waiting, rows)]
        return []

    def _is_over(self, waiting: _Waiting, now: float) -> bool:
        """Whether nobody waits for a request any more, or it waited for too long."""
        if waiting.outcome.done():
            return True
        if waiting.until < now:
            waiting.outcome.set_result(Busy("it waited until its deadline"))
        elif self._answers and not waiting.sent and now - waiting.since > _WAIT_FACTOR * self._limits.queue_seconds_max:
            waiting.outcome.set_result(Busy(f"it waited {now - waiting.since:.1f} s in the queue", overloaded=True))
        return waiting.outcome.done()

    async def _send(self, batch: list[_Piece]) -> None:
        rows = batch[0].rows if len(batch) == 1 else [row for piece in batch for row in piece.rows]
        columns = orjson.dumps(list(zip(*rows, strict=True)))
        started = time.monotonic()
        try:
            try:
                values, self.note = await self._workers.predict(columns)
            except (WorkerSilent, WorkerDied):
                if not self._workers.ready_count:
                    raise
                started = time.monotonic()
                values, self.note = await self._workers.predict(columns)
        except WorkerAbsent as exc:
            self._end(batch, [Busy(str(exc))] * len(batch))
            return
        except WorkerSilent as exc:
            self._rows_after_silence = max(1, len(rows) // _PIECE_PARTS)  # it may have had too many rows
            self._size_batches()
            self._end(batch, [Silent(str(exc), first=number == 0) for number in range(len(batch))])
            return
        except WorkerDied as exc:
            self._end(batch, [Crashed(str(exc), first=number == 0) for number in range(len(batch))])
            return
        if len(values) != len(rows):
            wrong = f"the model answered {len(rows)} rows with {len(values)} values"
            self._end(batch, [Crashed(wrong, first=number == 0) for number in range(len(batch))])
            return
        seconds = time.monotonic() - started
        if self._slowest is None or seconds > self._slowest.seconds:
            self._slowest = TimedBatch(columns, seconds)
        self._learn(len(batch), len(rows), seconds)
        self._deliver(batch, values)

    def _deliver(self, batch: list[_Piece], values: Sequence[float]) -> None:
        """Give every request of the batch its values; a large one waits for the rest of its own."""
        start = 0
        for piece in batch:
            own = values[start : start + len(piece.rows)]
            start += len(piece.rows)
            waiting = piece.waiting
            if waiting.outcome.done():
                self.large_rows -= waiting.rows_left if waiting.sent else 0
            elif not all(map(math.isfinite, own)):
                self.large_rows -= waiting.rows_left if waiting.sent else 0
                waiting.outcome.set_result(RowRefused(self.note or "the model has no number for a row"))
            elif not waiting.sent:
                waiting.outcome.set_result(Answered(own))
            else:
                waiting.values += own
                if waiting.rows_left:
                    self._large.append(waiting)
                else:
                    waiting.outcome.set_result(Answered(waiting.values))

    def _learn(self, requests: int, rows: int, seconds: float) -> None:
        self._answers = True
        self._rows_after_silence = min(2 * self._rows_after_silence, self._limits.rows_max)
        self.times.take(rows, seconds)
        recent = _RECENT if self.batches else 1.0
        counted = min(seconds, _SLOWER * self._seconds) if self._slots > 1 and self.batches else seconds
        self._seconds += recent * (counted - self._seconds)
        self._rows += recent * (rows - self._rows)
        self._requests += recent * (self._requests_under_way + len(self._queue) - self._requests)
        self._router.note(requests)
        self.batches += 1
        self.batch_rows.observe(rows)
        self._batch_seconds += seconds
        self._size_batches()

    def _end(self, batch: list[_Piece], outcomes: Sequence[Outcome]) -> None:
        self._answers = False
        for piece, outcome in zip(batch, outcomes, strict=True):
            waiting = piece.waiting
            self.large_rows -= waiting.rows_left if waiting.sent else 0
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcome)
