"""Guards in the request path: a breaker for each version, and the sequential test of a canary."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from healing.release import Challenger, Release
from healing.sequential import RelativeErrorTest

CONSECUTIVE_FAILURES_MAX = 5
WINDOW_REQUESTS = 200
ERROR_RATE_MAX = 0.05
_WINDOW_REQUESTS_MIN = 100  # below it, 5 % is a handful of errors
_OPEN_SECONDS = 1.0
_OPEN_SECONDS_MAX = 30.0
_LATENCIES_KEPT = 512
_FAILED_KEYS_MAX = 10_000


class Breaker:
    """Keeps requests away from a version that fails most of them, and lets one through now and then to see.

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


@dataclass(slots=True)
class Arm:
    """What one arm of a trial did in this generation. Latencies in milliseconds, the latest few hundred."""

    requests: int = 0
    errors: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))

    @property
    def latency_p50_ms(self) -> float | None:
        return median(self.latencies) if self.latencies else None


class Trial:
    """A challenger's trial, over all its stages: counts of the present generation, and evidence of the whole trial."""

    def __init__(self, challenger: Challenger, generation: int, alpha: float, ratio_tolerated: float) -> None:
        self.challenger = challenger
        self.generation = generation
        self.test = RelativeErrorTest(alpha=alpha, tolerated_ratio=ratio_tolerated)
        self.arms = {True: Arm(), False: Arm()}
        self._failed_keys: set[str] = set()

    def next_stage(self, release: Release) -> None:
        """Follow the challenger into a release where its share may differ."""
        assert release.challenger is not None
        self.challenger = release.challenger
        self.generation = release.generation
        self.arms = {True: Arm(), False: Arm()}
        self.test.restart()

    def observe(self, *, challenger: bool, failed: bool, route_key: str | None, latency_ms: float) -> bool:
        """Take one randomised request; returns whether this is the one that condemns the challenger.

        Only the first error of a route key counts as evidence: one client that retries is one observation.
        """
        arm = self.arms[challenger]
        arm.requests += 1
        arm.errors += failed
        arm.latencies.append(latency_ms)
        alarmed_before = self.test.alarmed
        news = not (failed and self._failed_before(route_key))
        self.test.observe(challenger=challenger, failed=failed and news, share=self.challenger.weight)
        return self.test.alarmed and not alarmed_before

    def evidence(self) -> str:
        """The numbers of this stage, in words."""
        challenger, champion = self.arms[True], self.arms[False]
        return (
            f"challenger failed {challenger.errors} of {challenger.requests}, champion {champion.errors} of "
            f"{champion.requests} requests at share {self.challenger.weight:g}; log e-value {self.test.log_e:.2f}, "
            f"threshold {self.test.threshold_log_e:.2f}"
        )

    def _failed_before(self, route_key: str | None) -> bool:
        if route_key is None:
            return False
        if route_key in self._failed_keys:
            return True
        if len(self._failed_keys) < _FAILED_KEYS_MAX:
            self._failed_keys.add(route_key)
        return False
