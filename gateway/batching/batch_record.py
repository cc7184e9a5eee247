"""The record of a version's batches: how long and how large the recent ones were, and how large the next one may be."""

from gateway.batching.limits import BatchLimits, RouterCost
from gateway.guards.batch_times import BatchTimes
from gateway.reporting.histogram import BATCH_ROWS, Histogram
from releases.exposition import Distribution

_RECENT = 0.2  # weight of the latest batch in what is known of the recent ones
_SLOWER = 2  # one of several workers may be slow: a batch counts for at most this multiple of the recent ones


class BatchRecord:
    """What the answered batches of a version show. `rows_fitting` is how many rows the next batch has at most.

    `seconds` and `requests` are those of a recent batch: how long it took, and how many requests took part. `slots` is
    how many batches may be on their way at a time.
    """

    def __init__(self, limits: BatchLimits, router: RouterCost) -> None:
        self.batches = 0
        self.batch_rows = Histogram(BATCH_ROWS)
        self.times = BatchTimes()
        self.seconds = 0.0
        self.requests = 1.0
        self.slots = 1
        self.rows_fitting = limits.rows_max
        self._limits = limits
        self._router = router
        self._rows = 1.0
        self._rows_in_time = limits.rows_max  # that the version answers in the time of a batch, as far as is known
        self._rows_after_silence = limits.rows_max
        self._seconds_sum = 0.0

    @property
    def durations(self) -> Distribution:
        """How many batches were answered, and the sum of their seconds."""
        return Distribution(self.batches, self._seconds_sum)

    def wait_seconds(self, pending_rows: int) -> float:
        """How long a request waits for the batches of so many rows before it."""
        return self.seconds * pending_rows / (self._rows_in_time * self.slots)

    def together(self, requests: float) -> int:
        """How many of these make a batch: each worker's share, but half of them where the router is the slower one."""
        halves = self._limits.overlaps and self._router.seconds * self.requests > self.seconds
        return max(1, round(requests / max(self.slots, 2 if halves else 1)))

    def answered(self, requests: int, rows: int, seconds: float, taking_part: int) -> None:
        """Take an answered batch; `taking_part` counts the requests that wait or are on their way, its own included."""
        self._rows_after_silence = min(2 * self._rows_after_silence, self._limits.rows_max)
        self.times.take(rows, seconds)
        recent = _RECENT if self.batches else 1.0
        counted = min(seconds, _SLOWER * self.seconds) if self.slots > 1 and self.batches else seconds
        self.seconds += recent * (counted - self.seconds)
        self._rows += recent * (rows - self._rows)
        self.requests += recent * (taking_part - self.requests)
        self._router.note(requests)
        self.batches += 1
        self.batch_rows.observe(rows)
        self._seconds_sum += seconds
        self._size_next()

    def silent(self, rows_next: int) -> None:
        """Take a batch that was not answered in time, maybe because it had too many rows."""
        self._rows_after_silence = max(1, rows_next)
        self._size_next()

    def _size_next(self) -> None:
        if self.seconds > 0:
            fitting = int(self._limits.batch_seconds * self._rows / self.seconds)
            self._rows_in_time = max(1, min(fitting, self._limits.rows_max))
        self.rows_fitting = max(1, min(self._rows_in_time, self._rows_after_silence))
