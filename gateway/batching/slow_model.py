"""Reports `model_slow` while the champion's batches take far longer than its first ones, or than a fallback takes."""

from collections.abc import Callable, Sequence

from gateway.batching.slow_beside_fallback import SlowBesideFallback
from gateway.batching.versions import Version
from gateway.reporting.problems import ProblemBoard
from healing.incident import Cause

PERIOD_SECONDS = 1.0


class SlowModelWatch:
    """Reports a slow champion. A slow challenger is found by its trial, and a fallback is not watched.

    `serving` gives the champion and its fallbacks, in this order; nothing before there is a release.
    """

    def __init__(
        self, serving: Callable[[], Sequence[Version]], problems: ProblemBoard, multiple: float, seconds_min: float
    ) -> None:
        self._serving = serving
        self._problems = problems
        self._multiple = multiple
        self._seconds_min = seconds_min
        self._beside = SlowBesideFallback(multiple, seconds_min)
        self._process = ("", 0)  # the champion's digest, and how often its workers were restarted

    async def look(self) -> None:
        serving = self._serving()
        if not serving:
            return
        version, *fallbacks = serving
        digest, restarts, times = version.model.digest, version.workers.restarts, version.batcher.record.times
        if self._process[0] != digest:
            self._beside.forget()
        elif self._process[1] != restarts:
            times.begin_anew()
            self._beside.doubt()
        self._process = (digest, restarts)
        slow = times.slow(self._multiple, self._seconds_min) or await self._beside.look(version, fallbacks)
        for each in serving:
            each.slower_than_fallback = each is version and self._beside.is_suspected
        if slow:
            self._problems.begin(Cause.MODEL_SLOW, digest, f"version {version.model.version}: {slow}")
        elif self._problems.has(Cause.MODEL_SLOW, digest):
            self._problems.end(digest, Cause.MODEL_SLOW)
