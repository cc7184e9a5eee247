"""Anomalies in a time series: the newest values compared with earlier ones, by the robust three-sigma rule.

Median and MAD replace mean and standard deviation, so that one bad hour in the past does not hide the next one (Hampel
1974, *The influence curve and its role in robust estimation*). With few earlier values, the three sigmas widen to the
quantile of Student's t with the same tail probability. The checks `serving` and `volume` use this rule.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.verdict import Outcome, Verdict

MAD_TO_SIGMA = 1.4826  # for normal values
TAIL = 0.00135  # probability beyond three sigmas of a normal distribution, on one side
DEGREES_SHARE = 0.5  # a MAD is less precise than a standard deviation; with half, 0.2 to 0.5 % of normal values fail


class Side(StrEnum):
    """Which departures are bad."""

    HIGH = "high"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """When a departure counts.

    `spread_min` is the least value of one sigma, on the scale of the series. It keeps tiny deviations from being
    anomalies in a series that hardly varied. FAIL needs `needed` of the newest `among` values, the newest included.
    """

    spread_min: float
    side: Side = Side.BOTH
    history_min: int = 8
    needed: int = 2
    among: int = 3


@dataclass(frozen=True, slots=True)
class AnomalySeries:
    """Values of equally long intervals, oldest first, on a scale on which the noise is about the same everywhere.

    `shown` is the newest and the usual value in words, for the reason. `observations` belong to the newest value.
    """

    values: tuple[float, ...]
    observations: int
    shown: str


def judge_anomaly(check: str, series: AnomalySeries, rule: AnomalyRule) -> Verdict:
    """FAIL when the newest values depart from earlier ones, PASS when the newest does not, else INCONCLUSIVE.

    Too few values, or a newest value that departs alone, are INCONCLUSIVE. `statistic` is the newest departure in
    sigmas (signed if both sides are bad), `threshold` the number of sigmas allowed.
    """
    before, newest = series.values[: -rule.among], series.values[-rule.among :]
    if len(before) < rule.history_min:
        reason = f"{len(series.values)} intervals, {rule.history_min + rule.among} needed"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, series.observations)
    sigmas = [departure(value, before, rule.spread_min) for value in newest]
    limit = sigmas_allowed(len(before))
    beyond = [_is_beyond(each, limit, rule.side) for each in sigmas]
    same_side = sum(b and (each > 0) == (sigmas[-1] > 0) for b, each in zip(beyond, sigmas, strict=True))
    reason = f"{series.shown}: {sigmas[-1]:+.1f} sigmas from {len(before)} earlier values, {limit:.1f} allowed"
    departed = Outcome.FAIL if same_side >= rule.needed else Outcome.INCONCLUSIVE
    outcome = departed if beyond[-1] else Outcome.PASS
    return Verdict(check, outcome, reason, series.observations, statistic=sigmas[-1], threshold=limit)


def departure(value: float, before: Sequence[float], spread_min: float) -> float:
    """The distance of `value` from the median of `before`, in robust sigmas."""
    centre = statistics.median(before)
    spread = MAD_TO_SIGMA * statistics.median(abs(each - centre) for each in before)
    return (value - centre) / max(spread, spread_min)


@functools.cache
def sigmas_allowed(count: int) -> float:
    """Three, and more where median and spread come from few values: 9.8 for 8 values, 3.9 for 24."""
    from scipy.stats import t

    degrees = max(2, int((count - 1) * DEGREES_SHARE))
    return float(t.isf(TAIL, degrees)) * math.sqrt(1 + 1 / count)


def _is_beyond(sigmas: float, limit: float, side: Side) -> bool:
    return sigmas > limit if side is Side.HIGH else abs(sigmas) > limit
