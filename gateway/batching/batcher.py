"""Micro-batching: what arrives while a version computes is its next batch, and a short wait keeps batches full.

A lone client finds the version idle and waits for nothing. Under load a version that took whatever came first would
spend its time on batches of one: a model answers 64 rows in the time of one. So an idle version waits until those who
took part lately are back, at most for half of the time that its last batches took.

When it takes the router longer to write their answers and read their next requests than the version to answer, they go
in two halves, in turn: the version computes one while the router serves the other.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson

from gateway.guards.batch_times import BatchTimes
from gateway.rows.table import Row
from gateway.settings import GatewaySettings
from gateway.workers.worker import VersionFailed

Predict = Callable[[bytes], Awaitable[tuple[Sequence[float], str]]]
_ENOUGH = 0.75  # of those who took part: waiting for the last few leaves the version idle
_ROUTER_REQUESTS = 256  # answered requests between two measurements of the router's processor time
_RECENT = 0.2  # weight of the latest batch in what is known of the recent ones


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Rows and seconds; see the settings of the same names. `batch_seconds` is what a batch should take at most: one
    that grew to the version's deadline would count as silence."""

    rows_max: int
    pending_rows_max: int
    wait_seconds_max: float
    batch_seconds: float
    queue_seconds_max: float

    @classmethod
    def of(cls, settings: GatewaySettings) -> "BatchLimits":
        return cls(
            rows_max=settings.batch_rows_max,
            pending_rows_max=settings.pending_rows_max,
            wait_seconds_max=settings.batch_wait_seconds_max,
            batch_seconds=settings.batch_deadline_seconds / 4,
            queue_seconds_max=settings.queue_seconds_max,
        )


class RouterCost:
    """`note` what versions answered; `seconds` is what each took the router lately, 0 until something is known."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._requests = 0
        self._seen = time.thread_time()

    def note(self, requests: int) -> None:
        """Call it on the router's thread."""
        self._requests += requests
        if self._requests >= _ROUTER_REQUESTS:
            now = time.thread_time()
            self.seconds = (now - self._seen) / self._requests
            self._seen, self._requests = now, 0


@dataclass(slots=True)
class _Waiting:
    rows: Sequence[Row]
    until: float
    answer: "asyncio.Future[Sequence[float]]"


class Batcher:
    """Gathers rows for one version; at most one batch is on its way at a time."""

    def __init__(self, predict: Predict, limits: BatchLimits, router: RouterCost) -> None:
        self.pending_rows = 0
        self.batches = 0
        self.times = BatchTimes()
        self.note = ""  # the model's last complaint about a row
        self._predict = predict
        self._limits = limits
        self._router = router
        self._queue: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._enough = asyncio.Event()
        self._enough_requests = 1
        # Of the recent batches: how long one took, how many rows it had, and how many requests took part.
        self._seconds = 0.0
        self._rows = 1.0
        self._requests = 1.0

    @property
    def full(self) -> bool:
        """Whether a request that came now would wait too long, or take too much room."""
        return self.pending_rows >= self._limits.pending_rows_max or self.wait_seconds > self._limits.queue_seconds_max

    @property
    def wait_seconds(self) -> float:
        """How long a request that came now would wait for the batches before its own."""
        return self._seconds * self.pending_rows / self._rows_fitting

    def submit(self, rows: Sequence[Row], until: float) -> "asyncio.Future[Sequence[float]]":
        """One value a row, NaN where the model had none; or VersionFailed, `attempted` for one request of a batch.

        A batch that fails is one failure of the version, not one for each request that happened to ride in it. A
        request that still waits at `until` (monotonic seconds), or whose future is cancelled, is not sent at all.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(rows, until, loop.create_future())
        self._queue.append(waiting)
        self.pending_rows += len(rows)
        if self._sending is None:
            self._sending = loop.create_task(self._send_all())
        elif len(self._queue) >= self._enough_requests or self.pending_rows >= self._rows_fitting:
            self._enough.set()
        return waiting.answer

    @property
    def _rows_fitting(self) -> int:
        """Rows that the version answers in the time that a batch may take, as far as is known."""
        if self._seconds <= 0:
            return self._limits.rows_max
        fitting = int(self._limits.batch_seconds * self._rows / self._seconds)
        return max(1, min(fitting, self._limits.rows_max))

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._gather()
                if batch := self._take():
                    await self._send(batch)
        finally:
            self._sending = None

    async def _gather(self) -> None:
        """Wait until those who took part lately are there, or for half of the time that a batch takes."""
        self._enough_requests = max(1, round(_ENOUGH * self._together(self._requests)))
        if len(self._queue) >= self._enough_requests or self.pending_rows >= self._rows_fitting:
            return
        self._enough.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._seconds / 2, self._limits.wait_seconds_max)):
                await self._enough.wait()

    def _together(self, requests: float) -> int:
        """How many of these make a batch: all, or half of them where the router is the slower one."""
        halves = self._router.seconds * self._requests > self._seconds
        return max(1, round(requests / 2 if halves else requests))

    def _take(self) -> list[_Waiting]:
        """The next requests that fit in a batch; one that is larger than a batch goes alone."""
        now, rows_max = time.monotonic(), self._rows_fitting
        requests_max = self._together(max(self._requests, len(self._queue)))
        batch: list[_Waiting] = []
        rows = 0
        while self._queue and len(batch) < requests_max and (not rows or rows + len(self._queue[0].rows) <= rows_max):
            waiting = self._queue.popleft()
            self.pending_rows -= len(waiting.rows)
            if waiting.answer.done():
                continue  # nobody waits for it any more
            if waiting.until < now:
                waiting.answer.set_exception(VersionFailed("it waited until its deadline", attempted=False))
                continue
            batch.append(waiting)
            rows += len(waiting.rows)
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        rows = [row for waiting in batch for row in waiting.rows]
        started = time.monotonic()
        try:
            values, self.note = await self._predict(orjson.dumps(list(zip(*rows, strict=True))))
        except VersionFailed as exc:
            self._fail(batch, exc)
            return
        if len(values) != len(rows):
            wrong_shape = f"{len(rows)} rows were answered with {len(values)} values"
            self._fail(batch, VersionFailed(wrong_shape, attempted=True))
            return
        self._learn(len(batch), len(rows), time.monotonic() - started)
        start = 0
        for waiting in batch:
            end = start + len(waiting.rows)
            if not waiting.answer.done():
                waiting.answer.set_result(values[start:end])
            start = end

    def _learn(self, requests: int, rows: int, seconds: float) -> None:
        self.times.take(rows, seconds)
        recent = _RECENT if self.batches else 1.0
        self._seconds += recent * (seconds - self._seconds)
        self._rows += recent * (rows - self._rows)
        self._requests += recent * (requests + len(self._queue) - self._requests)
        self._router.note(requests)
        self.batches += 1

    @staticmethod
    def _fail(batch: list[_Waiting], failure: VersionFailed) -> None:
        attempted = failure.attempted
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(VersionFailed(str(failure), attempted=attempted))
                attempted = False
