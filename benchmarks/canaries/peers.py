"""What else judges canaries, written from its public descriptions. Each looks once a minute, or more seldom.

* `fixed_threshold`: Flagger. The challenger's success rate is below 99 % in a minute: a failed check. So many failed
  checks since the canary began are a rollback; the documentation's examples have 5, the strictest is 1.
* `mann_whitney`: Kayenta's judge. Error rates minute by minute of both arms, all since the canary began; once the 95 %
  confidence interval of the Hodges-Lehmann shift lies above a quarter of the shift itself, the metric is called high.
  Judged every ten minutes, as a canary is judged at intervals there.
* `z_test`: two proportions, pooled, all requests since the canary began, each minute at 0.001.

None knows clients, so each failure counts. All rest where the challenger has all the traffic.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.canaries.stream import Stream

MINUTE_REQUESTS = 2_000  # of both arms: 33 a second
_SUCCESS_MIN = 0.99
_INTERVAL_MINUTES = 10
_TOLERANCE = 0.25
_Z_95 = 1.959964  # two-sided
_Z_THOUSANDTH = 3.090232  # one-sided

Counts = NDArray[np.float64]
Judge = Callable[[Stream], int | None]


def _by_minute(stream: Stream) -> tuple[Counts, Counts, Counts, Counts]:
    """Requests and failures of the challenger, then of the champion, minute by minute, while both had traffic."""
    compared = sum(stage.requests for stage in stream.stages if 0 < stage.share < 1)
    minutes = compared // MINUTE_REQUESTS
    shape = (minutes, MINUTE_REQUESTS)
    arms = stream.challenger[: minutes * MINUTE_REQUESTS].reshape(shape)
    failed = stream.failed[: minutes * MINUTE_REQUESTS].reshape(shape)
    requests, failures = arms.sum(axis=1, dtype=float), (arms & failed).sum(axis=1, dtype=float)
    return requests, failures, MINUTE_REQUESTS - requests, failed.sum(axis=1, dtype=float) - failures


def fixed_threshold(failed_checks: int) -> Judge:
    """Flagger with so many failed checks; see the module."""

    def judge(stream: Stream) -> int | None:
        requests, failures, _, _ = _by_minute(stream)
        failing = np.cumsum((requests > 0) & (requests - failures < _SUCCESS_MIN * requests))
        return _first_minute(failing >= failed_checks)

    return judge


def mann_whitney(stream: Stream) -> int | None:
    """Kayenta's way; see the module."""
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
    with np.errstate(divide="ignore", invalid="ignore"):  # no failures, or no requests of the challenger, so far
        spread = np.sqrt(pooled * (1 - pooled) * (1 / requests + 1 / other_requests))
        z = (failures / requests - other_failures / other_requests) / spread
    return _first_minute(z > _Z_THOUSANDTH)


def _first_minute(condemned: NDArray[np.bool_]) -> int | None:
    """Requests of both arms at the end of the first minute that condemns."""
    return (int(condemned.argmax()) + 1) * MINUTE_REQUESTS if condemned.any() else None


PEERS: dict[str, Judge] = {
    "fixed_threshold_1": fixed_threshold(1),
    "fixed_threshold_5": fixed_threshold(5),
    "mann_whitney": mann_whitney,
    "z_test": z_test,
}
