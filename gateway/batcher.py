"""Micro-batching without a timer: what arrives while a version computes is its next batch.

A lone client finds the version idle and waits for nothing; sixty-four of them ride together, because a model answers 64
rows in the time of one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.workers import VersionFailed

Row = Sequence[Any]
Predict = Callable[[bytes], Awaitable[tuple[Sequence[float], str]]]


@dataclass(slots=True)
class _Waiting:
    rows: Sequence[Row]
    answer: "asyncio.Future[Sequence[float]]"


class Batcher:
    """Gathers rows for one version; at most one batch is on its way at a time."""

    def __init__(self, predict: Predict, rows_max: int, pending_rows_max: int) -> None:
        self.pending_rows = 0
        self.batches = 0
        self.note = ""  # the model's last complaint about a row
        self._predict = predict
        self._rows_max = rows_max
        self._pending_rows_max = pending_rows_max
        self._queue: deque[_Waiting] = deque()
        self._sending: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return self.pending_rows >= self._pending_rows_max

    def submit(self, rows: Sequence[Row]) -> "asyncio.Future[Sequence[float]]":
        """One value a row, NaN where the model had none; or VersionFailed, `attempted` for one request of a batch.

        A batch that fails is one failure of the version, not one for each request that happened to ride in it.
        """
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self.pending_rows += len(rows)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        return waiting.answer

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._send(self._take())
        finally:
            self._sending = None

    def _take(self) -> list[_Waiting]:
        """The next requests that fit in a batch; one that is larger than a batch goes alone."""
        batch = [self._queue.popleft()]
        rows = len(batch[0].rows)
        while self._queue and rows + len(self._queue[0].rows) <= self._rows_max:
            batch.append(self._queue.popleft())
            rows += len(batch[-1].rows)
        self.pending_rows -= rows
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        rows = [row for waiting in batch for row in waiting.rows]
        try:
            values, self.note = await self._predict(orjson.dumps(list(zip(*rows, strict=True))))
        except VersionFailed as exc:
            self._fail(batch, exc)
            return
        if len(values) != len(rows):
            wrong_shape = f"{len(rows)} rows were answered with {len(values)} values"
            self._fail(batch, VersionFailed(wrong_shape, attempted=True))
            return
        self.batches += 1
        start = 0
        for waiting in batch:
            end = start + len(waiting.rows)
            if not waiting.answer.done():
                waiting.answer.set_result(values[start:end])
            start = end

    @staticmethod
    def _fail(batch: list[_Waiting], failure: VersionFailed) -> None:
        attempted = failure.attempted
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(VersionFailed(str(failure), attempted=attempted))
                attempted = False
