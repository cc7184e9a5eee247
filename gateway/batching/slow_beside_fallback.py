"""Whether a fallback answers the champion's slow batches far more quickly: the champion is slow, and not the machine.

A model that is slow with many rows only is never slower than its own first batches of that size. So its slowest batch
of the last second is answered once more, by the champion and by a fallback, one after the other.
"""

import time
from collections import deque
from collections.abc import Sequence

from gateway.batching.versions import Version
from gateway.workers.worker import BatchLost

_SLOW_IN_A_ROW = 5  # comparisons: one may meet a moment at which the machine was busy
_FORGET_SECONDS = 30.0  # without a slow batch


class SlowBesideFallback:
    """Compares batches that took longer than `seconds_min`; slow is a champion that takes `multiple` times as long."""

    def __init__(self, multiple: float, seconds_min: float) -> None:
        self._multiple = multiple
        self._seconds_min = seconds_min
        self._found: deque[str] = deque(maxlen=_SLOW_IN_A_ROW)
        self._compared_at = 0.0

    @property
    def is_suspected(self) -> bool:
        """Whether the latest comparison found the champion slow."""
        return bool(self._found)

    def forget(self) -> None:
        """Forget all comparisons: another model is champion now."""
        self._found.clear()

    def doubt(self) -> None:
        """Another process answers now: it takes one more comparison to call the champion slow."""
        if len(self._found) == _SLOW_IN_A_ROW:
            self._found.popleft()

    async def look(self, champion: Version, fallbacks: Sequence[Version]) -> str:
        """A sentence on the batch that is slow; empty when none is."""
        batch = champion.batcher.take_slowest()
        if batch is not None and batch.seconds > self._seconds_min:
            other = next((each for each in fallbacks if _is_comparable(champion, each)), None)
            if other is not None:
                await self._compare(champion, other, batch.columns)
        elif time.monotonic() - self._compared_at > _FORGET_SECONDS:
            self._found.clear()
        return self._found[-1] if len(self._found) == _SLOW_IN_A_ROW else ""

    async def _compare(self, champion: Version, other: Version, columns: bytes) -> None:
        try:
            mine, theirs = await _seconds(champion, columns), await _seconds(other, columns)
        except BatchLost:
            return
        self._compared_at = time.monotonic()
        if mine <= max(self._seconds_min, self._multiple * theirs):
            self._found.clear()
            return
        self._found.append(
            f"a batch that takes {1000 * mine:.0f} ms takes version {other.model.version} {1000 * theirs:.0f} ms, "
            f"{_SLOW_IN_A_ROW} times in a row"
        )


def _is_comparable(champion: Version, other: Version) -> bool:
    """Whether the other version can answer the champion's batches now: it is ready, and reads the same columns."""
    if champion.manifest is None or other.manifest is None:
        return False
    return (
        other.workers.ready and other.breaker.closed and other.manifest.input_schema == champion.manifest.input_schema
    )


async def _seconds(version: Version, columns: bytes) -> float:
    """How long the version takes for a batch; raises BatchLost."""
    started = time.monotonic()
    await version.workers.predict(columns)
    return time.monotonic() - started
