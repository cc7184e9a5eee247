"""What a request passes through, in the form that makes spans, and the prediction log among it."""

import asyncio
from collections.abc import Sequence

from gateway.log.predictions import LogRow, PredictionLog
from gateway.request_parts import RequestParts
from gateway.tracing.batcher import TracedBatcher
from gateway.tracing.ladder import TracedLadder
from observability.span import current_span


class TracedLog(PredictionLog):
    """Logs as `PredictionLog` does, with a span `log` from the answer to its write."""

    def record(self, rows: Sequence[LogRow]) -> "asyncio.Future[bool]":
        asker = current_span.get()
        written = super().record(rows)
        if asker is not None:
            span = asker.child("log")
            span.attributes["autopilot.rows"] = len(rows)
            written.add_done_callback(lambda _: span.end())
        return written


TRACED_PARTS = RequestParts(TracedLog, TracedLadder, TracedBatcher)
