"""Student's prediction interval: how unusual one more value is, compared with a few earlier values.

With mean m and standard deviation s of K earlier values, a new value x has the p-value P(T > (x - m) / (s √(1 + 1/K)))
under Student's t with K - 1 degrees of freedom. Earlier values and the new one are taken as normal and exchangeable.
"""

import math
import statistics
from collections.abc import Sequence


def tail_probability(value: float, earlier: Sequence[float], spread_min: float) -> float:
    """The chance that one more value is at least `value`. The standard deviation is at least `spread_min`."""
    from scipy.stats import t

    centre, scale = _centre_and_scale(earlier, spread_min)
    return float(t.sf((value - centre) / scale, len(earlier) - 1))


def upper_limit(tail: float, earlier: Sequence[float], spread_min: float) -> float:
    """The value that one more value exceeds with probability `tail`."""
    from scipy.stats import t

    centre, scale = _centre_and_scale(earlier, spread_min)
    return float(centre + scale * t.isf(tail, len(earlier) - 1))


def _centre_and_scale(earlier: Sequence[float], spread_min: float) -> tuple[float, float]:
    spread = max(statistics.stdev(earlier), spread_min)
    return statistics.fmean(earlier), spread * math.sqrt(1 + 1 / len(earlier))
