"""Reports `model_slow` while the champion's batches take far longer than its first ones."""

from collections.abc import Callable

from gateway.batching.versions import Version
from gateway.reporting.problems import ProblemBoard
from healing.incident import Cause

PERIOD_SECONDS = 1.0


class SlowModelWatch:
    """Reports a slow champion. A slow challenger is found by its trial, and a fallback is not watched."""

    def __init__(
        self, champion: Callable[[], Version | None], problems: ProblemBoard, multiple: float, seconds_min: float
    ) -> None:
        self._champion = champion
        self._problems = problems
        self._multiple = multiple
        self._seconds_min = seconds_min
        self._restarts: dict[str, int] = {}

    async def look(self) -> None:
        version = self._champion()
        if version is None:
            return
        digest, restarts, times = version.model.digest, version.workers.restarts, version.batcher.times
        if self._restarts.get(digest, restarts) != restarts:
            times.begin_anew()
        self._restarts = {digest: restarts}
        slow = times.slow(self._multiple, self._seconds_min)
        if slow:
            self._problems.begin(Cause.MODEL_SLOW, digest, f"version {version.model.version}: {slow}")
        elif self._problems.has(Cause.MODEL_SLOW, digest):
            self._problems.end(digest, Cause.MODEL_SLOW)
