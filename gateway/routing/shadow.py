"""A shadow: a challenger that scores copies of answered requests. It never delays an answer and never changes one.

Copies are scored in large batches, because nobody waits for them: 256 rows cost a model little more than one. Now and
then one copy is scored alone, as for a single client; these give the shadow's latency. Copies that do not fit in the
queue are dropped and counted.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from gateway.batching.versions import Version
from gateway.guards.trial import ChallengerTrial, ShadowedAnswer
from gateway.log.predictions import PredictionLog, ShadowRow
from gateway.routing.active_release import ActiveRelease, falls_to_challenger
from gateway.routing.request import PredictRequest, PredictResponse, Rung
from gateway.rows.refusals import BadRequest
from gateway.rows.table import Row
from gateway.settings import GatewaySettings
from gateway.workers.worker import BatchLost, WorkerAbsent

GATHER_SECONDS = 0.05
_ALONE_SECONDS = 0.1  # between two copies that are scored alone: a model of 4 ms a call spends 4 % of a core on them
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
class ShadowLimits:
    """Rows that may wait, rows in a batch, and seconds that it should take: a longer one would count as silence."""

    rows_max: int
    batch_rows_max: int
    batch_seconds: float

    @classmethod
    def of(cls, settings: GatewaySettings) -> "ShadowLimits":
        return cls(settings.shadow_rows_max, settings.batch_rows_max, settings.batch_deadline_seconds / 4)


@dataclass(frozen=True, slots=True)
class _Copy:
    request_id: str
    rows: Sequence[Row]
    answered: Sequence[float]
    given: ShadowedAnswer
    by_champion: bool


class Shadow:
    """The shadow of the active release; `stop` it at its end. `judge` is called after each scored copy."""

    def __init__(
        self,
        active: ActiveRelease,
        trial: ChallengerTrial,
        judge: Callable[[], None],
        log: PredictionLog,
        limits: ShadowLimits,
    ) -> None:
        assert active.challenger is not None
        self.counts = ShadowCounts()
        self.version: Version = active.challenger
        self.generation = active.release.generation
        self._trial = trial
        self._judge = judge
        self._also_known = active.also_known
        self._binder = active.binder
        self._log = log
        self._limits = limits
        self._queue: deque[_Copy] = deque()
        self._waiting_rows = 0
        self._batch_rows = 1  # that fit in the time of a batch, as far as is known; known after the first batch
        self._alone_at = 0.0
        self._stopped = False

    def copy(self, request: PredictRequest, answer: PredictResponse) -> None:
        """Take a copy of an answered request, if it falls to the shadow's share and there is room."""
        if not falls_to_challenger(self._trial.challenger, request.route_key or request.request_id):
            return
        rows = request.bound.rows
        self.counts.copied += len(rows)
        if self._waiting_rows + len(rows) > self._limits.rows_max:
            self.counts.dropped += len(rows)
            return
        binder = self.version.binder
        if binder is None:
            self.counts.failed += len(rows)
            return
        if binder is not self._binder:
            try:
                rows = binder.bind(request.table, self._also_known).rows
            except BadRequest:
                self.counts.failed += len(rows)
                return
        given = ShadowedAnswer(request.route_key, answer.values[0], answer.seconds)
        self._queue.append(_Copy(request.request_id, rows, answer.values, given, answer.rung is Rung.CHAMPION))
        self._waiting_rows += len(rows)

    def stop(self) -> None:
        """Drop what waits; nobody waits for it."""
        self._stopped = True
        self._queue.clear()
        self.counts.dropped += self._waiting_rows

    async def score_waiting(self) -> None:
        """Score the copies that wait, and those that come meanwhile."""
        while self._queue:
            if time.monotonic() >= self._alone_at:
                await self._score(self._take(rows_max=1))
                self._alone_at = time.monotonic() + _ALONE_SECONDS
            else:
                await self._score(self._take(self._batch_rows))
            if self._waiting_rows < self._batch_rows:
                return  # and gather more, for `GATHER_SECONDS`

    def _take(self, rows_max: int) -> list[_Copy]:
        """The next copies that fit in so many rows; one that is larger goes alone."""
        batch: list[_Copy] = []
        rows = 0
        while self._queue and (not batch or rows + len(self._queue[0].rows) <= rows_max):
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
            scores, error = await self.version.workers.predict(orjson.dumps(list(zip(*rows, strict=True))))
            seconds = time.monotonic() - started
            if self._stopped:
                return
            values = [float(score) if math.isfinite(score) else None for score in scores]
            self._observe(batch, values, seconds)
            self._learn(len(rows), seconds)
        except BatchLost as exc:
            seconds, error = time.monotonic() - started, str(exc)
            if not isinstance(exc, WorkerAbsent):
                self._observe_failure(batch[0])
            self._batch_rows = 1
            await asyncio.sleep(_PAUSE_SECONDS)
        if self._stopped:
            return
        self._count(batch, values, seconds)
        self._log.record_shadow(self._log_rows(batch, values, error))
        self._judge()

    def _learn(self, rows: int, seconds: float) -> None:
        """How many rows the next batch may have: more where this one shows it, fewer only where it took too long."""
        fitting = int(self._limits.batch_seconds * rows / max(seconds, 1e-6))
        if fitting > self._batch_rows or seconds > self._limits.batch_seconds:
            self._batch_rows = max(1, min(fitting, self._limits.batch_rows_max))

    def _observe(self, batch: list[_Copy], values: Sequence[float | None], seconds: float) -> None:
        """Take the batch into the trial, request by request; where the champion had no answer, nobody is to blame."""
        start = 0
        for copy in batch:
            scored = values[start : start + len(copy.rows)]
            start += len(copy.rows)
            if copy.by_champion:
                took = seconds if len(batch) == 1 else None
                self._trial.observe_copy(self.version, copy.given, None if None in scored else scored[0], took)

    def _observe_failure(self, copy: _Copy) -> None:
        """A batch that failed is one failure, not one for each copy that happened to ride in it."""
        if copy.by_champion:
            self._trial.observe_copy(self.version, copy.given, None, None)

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
