"""Shadow: a challenger scores copies of what others answered. It never delays an answer and never changes one.

Copies are gathered patiently and scored in large batches, because nobody waits for them: 256 rows cost a model little
more than one. What does not fit in the queue is dropped and counted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from gateway.batcher import Row
from gateway.log.predictions import PredictionLog, ShadowRow
from gateway.router import falls_to_challenger
from gateway.serving import Answer, Question, Serving
from gateway.versions import Version
from gateway.wire.refusals import BadRequest
from gateway.workers.worker import VersionFailed

_GATHER_SECONDS = 0.05
_PAUSE_SECONDS = 0.5  # before the next batch after one that failed: a dead shadow is not in a hurry


@dataclass(slots=True)
class ShadowCounts:
    """Rows copied, scored, failed, dropped for want of room, and the mean distance from the answer that was given."""

    copied: int = 0
    scored: int = 0
    failed: int = 0
    dropped: int = 0
    distance_sum: float = 0.0

    def outcomes(self) -> Counter[str]:
        """Rows by what became of them, without those that still wait."""
        return Counter(scored=self.scored, failed=self.failed, dropped=self.dropped)

    @property
    def distance_mean(self) -> float | None:
        return self.distance_sum / self.scored if self.scored else None


@dataclass(frozen=True, slots=True)
class _Copy:
    request_id: str
    rows: Sequence[Row]
    answered: Sequence[float]


class Shadow:
    """The shadow of one release on duty; `stop` it when the release gives way."""

    def __init__(self, serving: Serving, log: PredictionLog, rows_max: int, batch_rows_max: int) -> None:
        assert serving.challenger is not None
        assert serving.release.challenger is not None
        self.counts = ShadowCounts()
        self.version: Version = serving.challenger
        self.generation = serving.release.generation
        self.trial = serving.release.challenger
        self._also_known = serving.also_known
        self._binder = serving.binder
        self._log = log
        self._rows_max = rows_max
        self._batch_rows_max = batch_rows_max
        self._queue: deque[_Copy] = deque()
        self._waiting_rows = 0
        self._scoring: asyncio.Task[None] | None = None

    def copy(self, question: Question, answer: Answer) -> None:
        """Take a copy of an answered request, if it falls to the shadow's share and there is room."""
        if not falls_to_challenger(self.trial, question.route_key or question.request_id):
            return
        rows = question.bound.rows
        self.counts.copied += len(rows)
        if self._waiting_rows + len(rows) > self._rows_max:
            self.counts.dropped += len(rows)
            return
        binder = self.version.binder
        if binder is None:
            self.counts.failed += len(rows)
            return
        if binder is not self._binder:
            try:
                rows = binder.bind(question.table, self._also_known).rows
            except BadRequest:
                self.counts.failed += len(rows)
                return
        self._queue.append(_Copy(question.request_id, rows, answer.values))
        self._waiting_rows += len(rows)
        if self._scoring is None:
            self._scoring = asyncio.create_task(self._score_all())

    def stop(self) -> None:
        """Drop what waits; nobody waits for it."""
        if self._scoring is not None:
            self._scoring.cancel()
        self.counts.dropped += self._waiting_rows

    async def _score_all(self) -> None:
        try:
            while self._queue:
                if self._waiting_rows < self._batch_rows_max:
                    await asyncio.sleep(_GATHER_SECONDS)
                await self._score(self._take())
        finally:
            self._scoring = None

    def _take(self) -> list[_Copy]:
        batch: list[_Copy] = []
        rows = 0
        while self._queue and (not batch or rows + len(self._queue[0].rows) <= self._batch_rows_max):
            batch.append(self._queue.popleft())
            rows += len(batch[-1].rows)
        self._waiting_rows -= rows
        return batch

    async def _score(self, batch: list[_Copy]) -> None:
        rows = [row for copy in batch for row in copy.rows]
        started = time.monotonic()
        error = ""
        values: Sequence[float | None] = [None] * len(rows)
        try:
            scores, error = await self.version.worker.predict(orjson.dumps(list(zip(*rows, strict=True))))
            values = [score if score == score else None for score in scores]  # noqa: PLR0124  NaN is not itself
        except VersionFailed as exc:
            error = str(exc)
            await asyncio.sleep(_PAUSE_SECONDS)
        self._count(batch, values, time.monotonic() - started)
        self._log.record_shadow(self._log_rows(batch, values, error))

    def _count(self, batch: list[_Copy], values: Sequence[float | None], seconds: float) -> None:
        answered = [value for copy in batch for value in copy.answered]
        for value, other in zip(values, answered, strict=True):
            if value is None:
                self.counts.failed += 1
            else:
                self.counts.scored += 1
                self.counts.distance_sum += abs(value - other)
        if values and values[0] is not None:
            self.version.window.answered(seconds, values[0])
        else:
            self.version.window.failed()

    def _log_rows(self, batch: list[_Copy], values: Sequence[float | None], error: str) -> list[ShadowRow]:
        at, model = datetime.now(UTC).isoformat(), self.version.model
        names = [(copy.request_id, number) for copy in batch for number in range(len(copy.rows))]
        return [
            (
                request_id,
                number,
                at,
                self.generation,
                model.digest,
                model.version,
                value,
                error if value is None else "",
            )
            for (request_id, number), value in zip(names, values, strict=True)
        ]
