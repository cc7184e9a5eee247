"""Recent outcomes, latencies and answers of a version in a sliding window, and whether its output is stuck."""

import math
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gateway.reporting.histogram import LATENCY_SECONDS, Histogram
from releases.manifest import Manifest

WINDOW_REQUESTS = 512
STUCK_ROWS = 500  # a leaf that answers 95 % of all rows gives so many equal answers once in 10^11 windows
_STUCK_ROWS_DIFFERENT = 20  # the same row asked again and again has one answer


@dataclass(frozen=True, slots=True)
class RecentRequests:
    """A window in numbers; None where nothing has been seen. `confidence` is the mean of |2p - 1| over answers p."""

    requests: int
    errors: int
    latency_p50_seconds: float | None
    latency_p99_seconds: float | None
    confidence: float | None


class VersionWindow:
    """The last few hundred requests of one version. Failures count; requests that never reached the model do not.

    `answered_total`, `failed_total` and `durations` are of all requests since the version was loaded.
    """

    def __init__(self) -> None:
        self._failed: deque[bool] = deque(maxlen=WINDOW_REQUESTS)
        self._seconds: deque[float] = deque(maxlen=WINDOW_REQUESTS)
        self._values: deque[float] = deque(maxlen=WINDOW_REQUESTS)
        self.answered_total = 0
        self.failed_total = 0
        self.durations = Histogram(LATENCY_SECONDS)

    def answered(self, seconds: float, value: float) -> None:
        """Take an answered request: how long it took and the answer to its first row."""
        self._failed.append(False)
        self._seconds.append(seconds)
        self._values.append(value)
        self.answered_total += 1
        self.durations.observe(seconds)

    def failed(self) -> None:
        self._failed.append(True)
        self.failed_total += 1

    @property
    def answers(self) -> int:
        """How many of the window's requests were answered."""
        return len(self._seconds)

    def latency_p99_seconds(self) -> float:
        """What 99 % of the answers took at most; ask for it once there are answers."""
        found = _quantile(sorted(self._seconds), 0.99)
        assert found is not None, "nothing was answered yet"
        return found

    def lately(self) -> RecentRequests:
        seconds = sorted(self._seconds)
        return RecentRequests(
            requests=len(self._failed),
            errors=sum(self._failed),
            latency_p50_seconds=_quantile(seconds, 0.5),
            latency_p99_seconds=_quantile(seconds, 0.99),
            confidence=fmean(abs(2 * value - 1) for value in self._values) if self._values else None,
        )


def _quantile(ascending: Sequence[float], share: float) -> float | None:
    return ascending[min(math.ceil(share * len(ascending)), len(ascending)) - 1] if ascending else None


class StuckOutput:
    """Detects a version that gives one answer to everything, although its manifest shows that its answers vary.

    From then on this answer counts as a failure, until the version gives another one.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._varies = _answers_vary(manifest)
        self._value = math.nan
        self._rows = 0
        self._different: set[int] = set()

    def take(self, rows: Sequence[Sequence[Any]], values: Sequence[float]) -> bool:
        """Whether these answers are stuck."""
        if not self._varies:
            return False
        varied = min(values) != max(values)
        if varied or values[0] != self._value:
            self._value = math.nan if varied else values[0]
            self._rows = 0
            self._different.clear()
        if varied:
            return False
        self._rows += len(values)
        if len(self._different) < _STUCK_ROWS_DIFFERENT:
            self._different.update(_hashes(rows[:_STUCK_ROWS_DIFFERENT]))
        return self._rows > STUCK_ROWS and len(self._different) >= _STUCK_ROWS_DIFFERENT


def _hashes(rows: Iterable[Sequence[Hashable]]) -> Iterable[int]:
    return (hash(tuple(row)) for row in rows)


def _answers_vary(manifest: Manifest) -> bool:
    """Whether the middle 90 % of the reference predictions differ, or without those the golden outputs."""
    quantiles = manifest.reference.prediction_quantiles
    middle = quantiles[1:-1] if len(quantiles) > 2 else manifest.golden.outputs
    return len(set(middle)) > 1
