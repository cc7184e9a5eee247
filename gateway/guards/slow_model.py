"""A champion that answers far slower than it did at first is told: `model_slow`, until it is over."""

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import median, quantiles
from typing import TYPE_CHECKING

from gateway.problems import ProblemBoard
from healing.incident import Cause

if TYPE_CHECKING:
    from gateway.versions import Version

_PERIOD_SECONDS = 1.0
_FIRST_BATCHES = 100  # of one size, by which the later ones of that size are judged
_LATEST_BATCHES = 30
_P99 = 98  # of the 99 cut points of hundredths


class BatchTimes:
    """How long batches take, against the first ones of about the same number of rows: each size twice the one before.

    Only the model's own time counts, so that a queue in front of it is not held against it.
    """

    def __init__(self) -> None:
        self._first: dict[int, list[float]] = {}
        self._usual: dict[int, float] = {}
        self._latest: dict[int, deque[float]] = {}

    def take(self, rows: int, seconds: float) -> None:
        size = rows.bit_length()
        if size in self._usual:
            self._latest[size].append(seconds)
            return
        first = self._first.setdefault(size, [])
        first.append(seconds)
        if len(first) == _FIRST_BATCHES:
            self._usual[size] = quantiles(first, n=100)[_P99]
            self._latest[size] = deque(maxlen=_LATEST_BATCHES)
            del self._first[size]

    def begin_anew(self) -> None:
        """Forget the latest batches: another process answers now."""
        for latest in self._latest.values():
            latest.clear()

    def slow(self, multiple: float, seconds_min: float) -> str:
        """What is slow, in words, or nothing: half of the latest batches against 99 % of the first ones."""
        for size, latest in self._latest.items():
            limit = max(multiple * self._usual[size], seconds_min)
            if len(latest) == _LATEST_BATCHES and (now := median(latest)) > limit:
                usual = self._usual[size]
                return (
                    f"batches of {1 << (size - 1)} rows or more take {1000 * now:.0f} ms at the median, 99 % of the "
                    f"first took {1000 * usual:.0f} ms at most; {1000 * limit:.0f} ms are let pass"
                )
        return ""


class SlowModelWatch:
    """Tells of the champion's slowness; a challenger's is its trial's matter, and nobody waits for a fallback."""

    def __init__(
        self, champion: "Callable[[], Version | None]", problems: ProblemBoard, multiple: float, seconds_min: float
    ) -> None:
        self._champion = champion
        self._problems = problems
        self._multiple = multiple
        self._seconds_min = seconds_min
        self._restarts: dict[str, int] = {}

    async def follow(self) -> None:
        """Never returns; cancel it."""
        while True:
            self.look()
            await asyncio.sleep(_PERIOD_SECONDS)

    def look(self) -> None:
        version = self._champion()
        if version is None:
            return
        digest, restarts, times = version.model.digest, version.worker.restarts, version.batcher.times
        if self._restarts.get(digest, restarts) != restarts:
            times.begin_anew()
        self._restarts = {digest: restarts}
        slow = times.slow(self._multiple, self._seconds_min)
        if slow:
            self._problems.begin(Cause.MODEL_SLOW, digest, f"version {version.model.version}: {slow}")
        elif self._problems.has(Cause.MODEL_SLOW, digest):
            self._problems.end(digest, Cause.MODEL_SLOW)
