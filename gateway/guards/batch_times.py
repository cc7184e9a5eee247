"""How long a version's batches take, compared with its first ones."""

from collections import deque
from statistics import median, quantiles

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
