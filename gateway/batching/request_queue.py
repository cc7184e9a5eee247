"""The requests that wait for one version, and how they are cut into batches."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.batching.batch_record import BatchRecord
from gateway.batching.limits import BatchLimits
from gateway.batching.outcomes import Answered, Busy, Outcome, RowRefused
from gateway.rows.table import Row

PIECE_PARTS = 4  # a piece of a large request is at most this part of a batch while other requests share the version
_FIRST_PIECE_ROWS = 16  # of a large request while nothing is known of the version's speed
_SHARED_SECONDS = 1.0  # after its last request that fits, a version is no longer shared
_WAIT_FACTOR = 2  # a wait is foreseen with some error: only beyond twice the allowed one a request leaves the queue


@dataclass(slots=True)
class Waiting:
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


class Piece(NamedTuple):
    """The part of a request that travels in one batch; most requests are one piece."""

    waiting: Waiting
    rows: Sequence[Row]


class RequestQueue:
    """Requests that fit in a batch, in their order, and larger ones, which take turns piece by piece.

    `pending_rows` counts the rows of requests that fit, `large_rows` those of larger ones that still have to be sent.
    """

    def __init__(self, limits: BatchLimits, record: BatchRecord) -> None:
        self.pending_rows = 0
        self.large_rows = 0
        self.note = ""  # the model's last complaint about a row
        self._limits = limits
        self._record = record
        self._fitting: deque[Waiting] = deque()
        self._large: deque[Waiting] = deque()
        self._fitting_at = -math.inf  # when a request that fits in a batch was last submitted
        self._answers = True  # whether the version answered the latest batch

    def __bool__(self) -> bool:
        return bool(self._fitting or self._large)

    @property
    def requests(self) -> int:
        """How many requests that fit in a batch wait."""
        return len(self._fitting)

    @property
    def shared(self) -> bool:
        """Whether requests that fit in a batch came lately."""
        return time.monotonic() - self._fitting_at < _SHARED_SECONDS

    def put(self, rows: Sequence[Row], until: float, outcome: "asyncio.Future[Outcome]") -> None:
        now = time.monotonic()
        waiting = Waiting(rows, now, until, outcome)
        if len(rows) > self._record.rows_fitting:
            self._large.append(waiting)
            self.large_rows += len(rows)
        else:
            self._fitting.append(waiting)
            self.pending_rows += len(rows)
            self._fitting_at = now

    def take(self) -> list[Piece]:
        """The next batch: requests that fit, and at most one piece of a larger one."""
        now, rows_max, waiting_requests = time.monotonic(), self._record.rows_fitting, len(self._fitting)
        requests_max = self._record.together(max(self._record.requests, waiting_requests))
        room = rows_max - max(1, rows_max // PIECE_PARTS) if self._large and rows_max > 1 else rows_max
        batch: list[Piece] = []
        rows = 0
        while self._fitting and len(batch) < requests_max and (not rows or rows + len(self._fitting[0].rows) <= room):
            waiting = self._fitting.popleft()
            self.pending_rows -= len(waiting.rows)
            if self._is_over(waiting, now):
                continue
            if len(waiting.rows) > rows_max:  # it fitted when it came
                self._large.append(waiting)
                self.large_rows += len(waiting.rows)
                continue
            batch.append(Piece(waiting, waiting.rows))
            rows += len(waiting.rows)
        if self._large and rows < rows_max:
            batch += self._take_piece(rows_max - rows, rows_max, now)
        return batch

    def _take_piece(self, room: int, rows_max: int, now: float) -> list[Piece]:
        """The next rows of the large request whose turn it is; fewer while other requests share the version."""
        while self._large:
            waiting = self._large.popleft()
            if self._is_over(waiting, now):
                self.large_rows -= waiting.rows_left
                continue
            size = min(room, max(1, rows_max // PIECE_PARTS)) if self.shared else room
            if not self._record.batches:
                size = min(size, _FIRST_PIECE_ROWS)
            rows = waiting.rows[waiting.sent : waiting.sent + size]
            waiting.sent += len(rows)
            self.large_rows -= len(rows)
            return [Piece(waiting, rows)]
        return []

    def _is_over(self, waiting: Waiting, now: float) -> bool:
        """Whether nobody waits for a request any more, or it waited for too long."""
        if waiting.outcome.done():
            return True
        if waiting.until < now:
            waiting.outcome.set_result(Busy("it waited until its deadline"))
        elif self._answers and not waiting.sent and now - waiting.since > _WAIT_FACTOR * self._limits.queue_seconds_max:
            waiting.outcome.set_result(Busy(f"it waited {now - waiting.since:.1f} s in the queue", overloaded=True))
        return waiting.outcome.done()

    def deliver(self, batch: Sequence[Piece], values: Sequence[float]) -> None:
        """Give every request of a batch its values; a large one waits for the rest of its own."""
        self._answers = True
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

    def end(self, batch: Sequence[Piece], outcomes: Sequence[Outcome]) -> None:
        """Give the requests of a batch that was not answered their outcomes; nothing more of a large one is sent."""
        self._answers = False
        for piece, outcome in zip(batch, outcomes, strict=True):
            waiting = piece.waiting
            self.large_rows -= waiting.rows_left if waiting.sent else 0
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcome)
