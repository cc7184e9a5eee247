"""The batcher with spans: `queue` per request, `batch` per batch with links to its requests, `worker` per round trip.

A batch serves several requests, so it can be a child of one only: it is in the trace of its first sampled request. Its
links name the `queue` spans of all of them, and each of these links back.
"""

import asyncio
from collections.abc import Sequence

from gateway.batching.batcher import Batcher, BatchWorkers
from gateway.batching.limits import BatchLimits, RouterCost
from gateway.batching.outcomes import Outcome
from gateway.batching.request_queue import Piece
from gateway.rows.table import Row
from observability.span import Span, current_span


class TracedBatcher(Batcher):
    """Batches as `Batcher` does. A request without a current span gets none here."""

    def __init__(self, workers: BatchWorkers, limits: BatchLimits, router: RouterCost) -> None:
        super().__init__(_TracedWorkers(workers), limits, router)
        self._waits: dict[asyncio.Future[Outcome], tuple[Span, Span]] = {}  # who asked, and its wait

    def submit(self, rows: Sequence[Row], until: float) -> "asyncio.Future[Outcome]":
        outcome = super().submit(rows, until)
        asker = current_span.get()
        if asker is not None:
            self._waits[outcome] = asker, asker.child("queue")
            outcome.add_done_callback(self._forget)
        return outcome

    def _forget(self, outcome: "asyncio.Future[Outcome]") -> None:
        _, wait = self._waits.pop(outcome)
        wait.end()

    def _start_sender(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a sender outside of the span of the request that happens to come first."""
        token = current_span.set(None)
        super()._start_sender(loop)
        current_span.reset(token)

    async def _send(self, batch: list[Piece]) -> None:
        traced = [found for piece in batch if (found := self._waits.get(piece.waiting.outcome)) is not None]
        if not traced:
            await super()._send(batch)
            return
        (first, _), waits = traced[0], [wait for _, wait in traced]
        span = first.child("batch")
        span.links += [wait.context for wait in waits]
        span.attributes |= {"autopilot.batch.requests": len(batch), "autopilot.batch.rows": _rows(batch)}
        for wait in waits:
            if not wait.ended:  # a large request is in several batches
                wait.links.append(span.context)
                wait.end()
        with span.current():
            await super()._send(batch)


def _rows(batch: Sequence[Piece]) -> int:
    return sum(len(piece.rows) for piece in batch)


class _TracedWorkers:
    """The workers of one version, with a span around each round trip."""

    def __init__(self, workers: BatchWorkers) -> None:
        self._workers = workers

    @property
    def ready_count(self) -> int:
        return self._workers.ready_count

    async def predict(self, columns: bytes) -> tuple[Sequence[float], str]:
        """A value for each row, and a note on rows that are NaN; raises BatchLost."""
        batch = current_span.get()
        if batch is None:
            return await self._workers.predict(columns)
        with batch.child("worker").current() as span:
            span.attributes["autopilot.batch.bytes"] = len(columns)
            return await self._workers.predict(columns)
