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
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import orjson
import structlog

from gateway.batching.batch_record import BatchRecord
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.outcomes import Busy, Crashed, Outcome, Silent
from gateway.batching.request_queue import PIECE_PARTS, Piece, RequestQueue
from gateway.rows.table import Row
from gateway.workers.worker import WorkerAbsent, WorkerDied, WorkerSilent

_log = structlog.get_logger(__name__)
_ENOUGH = 0.75  # of those who took part: waiting for the last few leaves the version idle


class BatchWorkers(Protocol):
    """Who answers batches: `ready_count` workers do now, and `predict` chooses one of them."""

    @property
    def ready_count(self) -> int: ...

    async def predict(self, columns: bytes) -> tuple[Sequence[float], str]:
        """A value for each row, and a note on rows that are NaN; raises BatchLost."""
        ...


class TimedBatch(NamedTuple):
    """A batch as it was sent, and how long its answer took."""

    columns: bytes
    seconds: float


class Batcher:
    """Gathers rows for one version; at most one batch per ready worker is on its way at a time.

    A batch that a worker loses is sent once more while another worker is ready. A request that is larger than a batch
    is sent in pieces, one at a time, which take turns with the requests that fit. So it delays others by one piece at a
    time, and only itself where it cannot be answered before its deadline.
    """

    def __init__(self, workers: BatchWorkers, limits: BatchLimits, router: RouterCost) -> None:
        self.record = BatchRecord(limits, router)
        self._workers = workers
        self._limits = limits
        self._queue = RequestQueue(limits, self.record)
        self._loop: asyncio.AbstractEventLoop | None = None  # kept, because asking for it takes a system call
        self._senders: set[asyncio.Task[None]] = set()  # each sends one batch after the other
        self._gathering = False  # whether one of them gathers the next batch, or is about to
        self._requests_under_way = 0
        self._slowest: TimedBatch | None = None
        self._enough = asyncio.Event()
        self._enough_requests = 1

    @property
    def pending_rows(self) -> int:
        """Rows of waiting requests that fit in a batch."""
        return self._queue.pending_rows

    @property
    def large_rows(self) -> int:
        """Rows that still have to be sent, of requests that are sent in pieces."""
        return self._queue.large_rows

    @property
    def note(self) -> str:
        """The model's last complaint about a row."""
        return self._queue.note

    @property
    def full(self) -> bool:
        """Whether a request that came now would wait too long, or take too much room."""
        rows = self._queue.pending_rows
        return rows >= self._limits.pending_rows_max or self.record.wait_seconds(rows) > self._limits.queue_seconds_max

    def full_for(self, rows: int) -> bool:
        """Whether a request of `rows` rows would; large ones have room of their own."""
        if rows > self.record.rows_fitting:
            return self._queue.large_rows >= self._limits.pending_rows_max
        return self.full

    @property
    def wait_seconds(self) -> float:
        """How long a request that came now would wait for the batches before its own."""
        return self.record.wait_seconds(self._queue.pending_rows)

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
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._queue.put(rows, until, outcome)
        if not self._gathering and len(self._senders) < self.record.slots:
            self._start_sender(loop)
        elif self._is_enough():
            self._enough.set()
        return outcome

    def _is_enough(self) -> bool:
        queue = self._queue
        return queue.requests >= self._enough_requests or queue.pending_rows >= self.record.rows_fitting

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
                slots = self.record.slots = max(1, self._workers.ready_count)
                if self._queue and len(self._senders) < slots:
                    self._start_sender(loop)
                if batch:
                    await self._send_safely(batch)
                if self._gathering or len(self._senders) > self.record.slots or not self._queue:
                    return
                self._gathering = True
        finally:
            self._senders.discard(sender)

    async def _next_batch(self) -> list[Piece]:
        try:
            await self._gather()
            return self._queue.take()
        finally:
            self._gathering = False

    async def _gather(self) -> None:
        """Wait until those who took part lately are there, or for half of the time that a batch takes."""
        record = self.record
        self._enough_requests = max(1, round(_ENOUGH * record.together(record.requests)))
        if self._is_enough() or not (self._queue.requests or self._queue.shared):
            return
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(record.seconds / 2, self._limits.wait_seconds_max)):
                await self._enough.wait()

    async def _send_safely(self, batch: list[Piece]) -> None:
        self._requests_under_way += len(batch)
        try:
            await self._send(batch)
        except Exception as exc:  # noqa: BLE001  whatever goes wrong, nobody may wait for ever
            _log.exception("batch_not_sent")
            self._queue.end(batch, [Busy(f"the batch was not sent: {exc!r}")] * len(batch))
        finally:
            self._requests_under_way -= len(batch)

    async def _send(self, batch: list[Piece]) -> None:
        queue = self._queue
        rows = batch[0].rows if len(batch) == 1 else [row for piece in batch for row in piece.rows]
        columns = orjson.dumps(list(zip(*rows, strict=True)))
        started = time.monotonic()
        try:
            try:
                values, queue.note = await self._workers.predict(columns)
            except (WorkerSilent, WorkerDied):
                if not self._workers.ready_count:
                    raise
                started = time.monotonic()
                values, queue.note = await self._workers.predict(columns)
        except WorkerAbsent as exc:
            queue.end(batch, [Busy(str(exc))] * len(batch))
            return
        except WorkerSilent as exc:
            self.record.silent(rows_next=len(rows) // PIECE_PARTS)
            queue.end(batch, [Silent(str(exc), first=number == 0) for number in range(len(batch))])
            return
        except WorkerDied as exc:
            queue.end(batch, [Crashed(str(exc), first=number == 0) for number in range(len(batch))])
            return
        if len(values) != len(rows):
            wrong = f"the model answered {len(rows)} rows with {len(values)} values"
            queue.end(batch, [Crashed(wrong, first=number == 0) for number in range(len(batch))])
            return
        seconds, taking_part = time.monotonic() - started, self._requests_under_way + queue.requests
        if self._slowest is None or seconds > self._slowest.seconds:
            self._slowest = TimedBatch(columns, seconds)
        self.record.answered(len(batch), len(rows), seconds, taking_part)
        queue.deliver(batch, values)
