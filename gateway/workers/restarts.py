"""When a worker that ended is started again: later each time, and not any more when it ends too often."""

from collections import deque

from gateway.workers.timing import WorkerTiming

DEATHS_WINDOW_SECONDS = 60.0
_DOUBLINGS_MAX = 30


class RestartRecord:
    """The latest deaths of one worker. Times are monotonic seconds."""

    def __init__(self, timing: WorkerTiming) -> None:
        self._timing = timing
        self._deaths: deque[float] = deque(maxlen=timing.deaths_max)
        self._in_a_row = 0

    def died(self, now: float) -> bool:
        """Take a death; whether there were too many within `DEATHS_WINDOW_SECONDS`."""
        steady = not self._deaths or now - self._deaths[-1] > DEATHS_WINDOW_SECONDS
        self._in_a_row = 1 if steady else self._in_a_row + 1
        self._deaths.append(now)
        return len(self._deaths) == self._timing.deaths_max and now - self._deaths[0] <= DEATHS_WINDOW_SECONDS

    def clear(self) -> None:
        """Forget all deaths: a new release names the model, or its worker is replaced for another reason."""
        self._deaths.clear()
        self._in_a_row = 0

    def put_on_probation(self, now: float) -> None:
        """Allow one more start after too many deaths: the next death within the window is again one too many."""
        self._deaths = deque([now] * (self._timing.deaths_max - 1), maxlen=self._timing.deaths_max)
        self._in_a_row = 0

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next start."""
        doublings = min(self._in_a_row - 1, _DOUBLINGS_MAX) if self._in_a_row else 0
        return min(self._timing.backoff * 2.0**doublings, self._timing.backoff_max)
