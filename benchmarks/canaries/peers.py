"""Other methods to judge a canary, written from their public descriptions. Each decides once per minute or less often.

* `fixed_threshold`: Flagger. A success rate of the challenger below 99 % in a minute is a failed check. A given number
  of failed checks since the canary began is a rollback; the documentation's examples have 5, the strictest is 1.
* `mann_whitney`: Kayenta's method. Error rates per minute of both arms since the canary began; the metric is high once
  the 95 % confidence interval of the Hodges-Lehmann shift lies above a quarter of the shift itself. Decides every ten
  minutes, because Kayenta judges a canary at intervals.
* `z_test`: two proportions, pooled, all requests since the canary began, every minute at 0.001.

None of them knows clients, so every failure counts. None decides while the challenger has all the traffic.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.canaries.stream import Stream

MINUTE_REQUESTS = 2_000  # of both arms: 33 per second
_SUCCESS_MIN = 0.99
_INTERVAL_MINUTES = 10
_TOLERANCE = 0.25
_Z_95 = 1.959964  # two-sided
_Z_THOUSANDTH = 3.090232  # one-sided

Counts = NDArray[np.float64]
Method = Callable[[Stream], int | None]


def _by_minute(stream: Stream) -> tuple[Counts, Counts, Counts, Counts]:
    """Requests and failures per minute of the challenger, then of the champion, while both have traffic."""
    compared = sum(stage.requests for stage in stream.stages if 0 < stage.share < 1)
    minutes = compared // MINUTE_REQUESTS
    shape = (minutes, MINUTE_REQUESTS)
    arms = stream.challenger[: minutes * MINUTE_REQUESTS].reshape(shape)
    failed = stream.failed[: minutes * MINUTE_REQUESTS].reshape(shape)
    requests, failures = arms.sum(axis=1, dtype=float), (arms & failed).sum(axis=1, dtype=float)
    return requests, failures, MINUTE_REQUESTS - requests, failed.sum(axis=1, dtype=float) - failures


def fixed_threshold(failed_checks: int) -> Method:
    """Flagger with a limit of `failed_checks`; see the module."""

    def method(stream: Stream) -> int | None:
        requests, failures, _, _ = _by_minute(stream)
        failing = np.cumsum((requests > 0) & (requests - failures < _SUCCESS_MIN * requests))
        return _first_minute(failing >= failed_checks)

    return method


def mann_whitney(stream: Stream) -> int | None:
    """Kayenta's method; see the module."""
    requests, failures, other_requests, other_failures = _by_minute(stream)
    rates = failures / np.maximum(requests, 1)
    other_rates = other_failures / np.maximum(other_requests, 1)
    high = np.zeros(len(rates), dtype=np.bool_)
    for minutes in range(_INTERVAL_MINUTES, len(rates) + 1, _INTERVAL_MINUTES):
        high[minutes - 1] = _is_high(rates[:minutes], other_rates[:minutes])
    return _first_minute(high)


def _is_high(experiment: Counts, control: Counts) -> bool:
    shifts = np.sort(np.subtract.outer(experiment, control), axis=None)
    pairs = shifts.size
    spread = math.sqrt(pairs * (len(experiment) + len(control) + 1) / 12)
    lower = shifts[max(0, math.floor(pairs / 2 - _Z_95 * spread))]
    return bool(lower > _TOLERANCE * abs(np.median(shifts)))


def z_test(stream: Stream) -> int | None:
    """A repeated test of two proportions; see the module."""
    requests, failures, other_requests, other_failures = (np.cumsum(counts) for counts in _by_minute(stream))
    pooled = (failures + other_failures) / (requests + other_requests)
    with np.errstate(divide="ignore", invalid="ignore"):  # no failures yet, or no requests of the challenger
        spread = np.sqrt(pooled * (1 - pooled) * (1 / requests + 1 / other_requests))
        z = (failures / requests - other_failures / other_requests) / spread
    return _first_minute(z > _Z_THOUSANDTH)


def _first_minute(failed: NDArray[np.bool_]) -> int | None:
    """Requests of both arms at the end of the first minute that fails."""
    return (int(failed.argmax()) + 1) * MINUTE_REQUESTS if failed.any() else None


PEERS: dict[str, Method] = {
    "fixed_threshold_1": fixed_threshold(1),
    "fixed_threshold_5": fixed_threshold(5),
    "mann_whitney": mann_whitney,
    "z_test": z_test,
}
