"""Anomalies in a series: the newest values against the ones before them, by the robust three-sigma rule.

Median and MAD instead of mean and standard deviation: one bad hour in the past must not hide the next one (Hampel 1974,
*The influence curve and its role in robust estimation*). With few values the three sigmas widen to the quantile of
Student's t that has the same tail, as for any prediction after so few.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from healing.student import upper_quantile
from healing.verdict import Outcome, Verdict

MAD_TO_SIGMA = 1.4826  # for normal values
TAIL = 0.00135  # beyond three sigmas of a normal law, on one side
DEGREES_SHARE = 0.5  # a MAD knows less than a deviation of as many values: with half, 0.2 to 0.5 % of normal ones alarm


class Side(StrEnum):
    """Which departure is bad."""

    HIGH = "high"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class AnomalyRule:
    """When a departure counts.

    `spread_min` is the least that one sigma may be, on the scale of the series: a series that never moved would make
    an anomaly of a hair. A failure takes `needed` of the newest `among` values, the newest included.
    """

    spread_min: float
    side: Side = Side.BOTH
    history_min: int = 8
    needed: int = 2
    among: int = 3


@dataclass(frozen=True, slots=True)
class Series:
    """Equally long stretches of time, oldest first; `values` are on a scale on which noise is about the same anywhere.

    `shown` says the newest and the usual value in words, for the verdict's reason; `observations` counts what stands
    behind the newest value.
    """

    values: tuple[float, ...]
    observations: int
    shown: str


def judge_anomaly(check: str, series: Series, rule: AnomalyRule) -> Verdict:
    """FAIL when the newest values depart from the ones before, PASS when the newest does not, else INCONCLUSIVE.

    Too few values, or a newest one that departs alone, are INCONCLUSIVE. `statistic` is the newest departure in sigmas
    (signed where both sides are bad), `threshold` how many are too many.
    """
    before, newest = series.values[: -rule.among], series.values[-rule.among :]
    if len(before) < rule.history_min:
        reason = f"{len(series.values)} stretches of time, {rule.history_min + rule.among} needed"
        return Verdict(check, Outcome.INCONCLUSIVE, reason, series.observations)
    sigmas = [departure(value, before, rule.spread_min) for value in newest]
    limit = sigmas_allowed(len(before))
    beyond = [_beyond(each, limit, rule.side) for each in sigmas]
    same_way = sum(b and (each > 0) == (sigmas[-1] > 0) for b, each in zip(beyond, sigmas, strict=True))
    reason = f"{series.shown}: {sigmas[-1]:+.1f} sigmas of {len(before)} before, {limit:.1f} allowed"
    departed = Outcome.FAIL if same_way >= rule.needed else Outcome.INCONCLUSIVE
    outcome = departed if beyond[-1] else Outcome.PASS
    return Verdict(check, outcome, reason, series.observations, statistic=sigmas[-1], threshold=limit)


def departure(value: float, before: Sequence[float], spread_min: float) -> float:
    """How many robust sigmas `value` lies above the median of `before`."""
    centre = statistics.median(before)
    spread = MAD_TO_SIGMA * statistics.median(abs(each - centre) for each in before)
    return (value - centre) / max(spread, spread_min)


def sigmas_allowed(count: int) -> float:
    """Three, and more where median and spread come from few values: 9.8 from 8, 3.9 from 24."""
    degrees = max(2, int((count - 1) * DEGREES_SHARE))
    return upper_quantile(TAIL, degrees) * math.sqrt(1 + 1 / count)


def _beyond(sigmas: float, limit: float, side: Side) -> bool:
    return sigmas > limit if side is Side.HIGH else abs(sigmas) > limit
