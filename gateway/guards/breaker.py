"""A circuit breaker per version: opens when requests keep failing, and lets single requests through to probe."""

from collections import deque

CONSECUTIVE_FAILURES_MAX = 5
WINDOW_REQUESTS = 200
ERROR_RATE_MAX = 0.05
_WINDOW_REQUESTS_MIN = 100  # below it, 5 % is a handful of errors
_OPEN_SECONDS = 1.0
_OPEN_SECONDS_MAX = 30.0


class VersionBreaker:
    """Keeps requests away from a version that fails, and lets one through now and then as a probe.

    It opens after `CONSECUTIVE_FAILURES_MAX` failures in a row, or when more than `ERROR_RATE_MAX` of the last
    `WINDOW_REQUESTS` failed; each time in a row for twice as long, in seconds. `now` is a monotonic time.
    """

    def __init__(self) -> None:
        self.open_until: float | None = None
        self._window: deque[bool] = deque(maxlen=WINDOW_REQUESTS)
        self._in_a_row = 0
        self._probing = False
        self._open_seconds = _OPEN_SECONDS

    @property
    def closed(self) -> bool:
        return self.open_until is None

    def lets_through(self, now: float) -> bool:
        """Whether a request may be tried; when half open, true once for each probe."""
        if self.open_until is None:
            return True
        if now < self.open_until:
            return False
        self.open_until = now + self._open_seconds  # the others wait for this probe's outcome
        self._probing = True
        return True

    def half_open(self, now: float) -> None:
        """Let the next request through as a probe, for another process answers now. An open breaker stays open."""
        if self.open_until is not None:
            self.open_until = min(self.open_until, now)
            self._open_seconds = _OPEN_SECONDS

    def record(self, *, failed: bool, now: float) -> None:
        if self.open_until is not None:
            if self._probing:  # else it began before the breaker opened, and says nothing new
                self._record_probe(failed=failed, now=now)
            return
        self._window.append(failed)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if failed and (self._in_a_row >= CONSECUTIVE_FAILURES_MAX or self._rate_exceeded()):
            self.open_until = now + self._open_seconds

    def _rate_exceeded(self) -> bool:
        enough = len(self._window) >= _WINDOW_REQUESTS_MIN
        return enough and sum(self._window) > ERROR_RATE_MAX * len(self._window)

    def _record_probe(self, *, failed: bool, now: float) -> None:
        self._probing = False
        if failed:
            self._open_seconds = min(2 * self._open_seconds, _OPEN_SECONDS_MAX)
            self.open_until = now + self._open_seconds
            return
        self.open_until = None
        self._open_seconds = _OPEN_SECONDS
        self._window.clear()
        self._in_a_row = 0
