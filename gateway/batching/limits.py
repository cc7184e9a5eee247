"""The limits of batches, and the router's processor time per request."""

import os
import time
from dataclasses import dataclass

from gateway.settings import GatewaySettings

_ROUTER_REQUESTS = 256  # answered requests between two measurements of the router's processor time
_PROCESSORS_TO_OVERLAP = 3


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Rows and seconds; see the settings of the same names. `batch_seconds` is what a batch should take at most: one
    that grew to the version's deadline would count as silence."""

    rows_max: int
    pending_rows_max: int
    wait_seconds_max: float
    batch_seconds: float
    queue_seconds_max: float
    overlaps: bool = True  # whether router and version have processors of their own

    @classmethod
    def of(cls, settings: GatewaySettings) -> "BatchLimits":
        return cls(
            rows_max=settings.batch_rows_max,
            pending_rows_max=settings.pending_rows_max,
            wait_seconds_max=settings.batch_wait_seconds_max,
            batch_seconds=settings.batch_deadline_seconds / 4,
            queue_seconds_max=settings.queue_seconds_max,
            overlaps=len(os.sched_getaffinity(0)) >= _PROCESSORS_TO_OVERLAP,
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
