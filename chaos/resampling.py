"""Intervals for shares and medians: Clopper-Pearson, and a seeded percentile bootstrap that takes censored times."""

import math
import random
from collections.abc import Callable, Sequence

__all__ = ["at_least", "median_interval", "nearest_rank", "ratio_interval", "share_interval"]

CONFIDENCE = 0.95
RESAMPLES = 1_000
SEED = 20130101


def share_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided Clopper-Pearson interval of a probability (Clopper & Pearson 1934).

    >>> low, high = share_interval(20, 20)
    >>> round(low, 3), high
    (0.832, 1.0)
    """
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _where(lambda p: at_least(successes, trials, p) < tail)
    high = 1.0 if successes == trials else 1 - _where(lambda p: at_least(trials - successes, trials, p) < tail)
    return low, high


def at_least(successes: int, trials: int, chance: float) -> float:
    """Probability of at least `successes` in `trials`."""
    return sum(math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes, trials + 1))


def nearest_rank(seconds: Sequence[float], share: float) -> float:
    """The nearest-rank quantile; infinity stands for what never happened. ValueError without a value."""
    if not seconds:
        raise ValueError("expected at least one time, found none")
    return sorted(seconds)[max(math.ceil(share * len(seconds)) - 1, 0)]


def median_interval(seconds: Sequence[float], seed: int = SEED) -> tuple[float, float]:
    """Percentile bootstrap interval of the median; infinity where it lies beyond all that was seen."""
    chance = random.Random(seed)  # noqa: S311
    medians = sorted(_median_of_resample(seconds, chance) for _ in range(RESAMPLES))
    return _ends(medians)


def ratio_interval(after: Sequence[float], before: Sequence[float], seed: int = SEED) -> tuple[float, float]:
    """Percentile bootstrap interval of median(after) / median(before), each side resampled by itself."""
    chance = random.Random(seed)  # noqa: S311
    ratios = sorted(
        _ratio(_median_of_resample(after, chance), _median_of_resample(before, chance)) for _ in range(RESAMPLES)
    )
    return _ends(ratios)


def _ends(ascending: Sequence[float]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    return nearest_rank(ascending, tail), nearest_rank(ascending, 1 - tail)


def _median_of_resample(seconds: Sequence[float], chance: random.Random) -> float:
    return nearest_rank([chance.choice(seconds) for _ in seconds], 0.5)


def _ratio(after: float, before: float) -> float:
    if math.isinf(after):
        return 1.0 if math.isinf(before) else math.inf
    return 0.0 if math.isinf(before) else after / max(before, 1e-3)


def _where(too_small: Callable[[float], bool]) -> float:
    """The smallest chance in [0, 1] that is not too small, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):  # halves the interval to below 1e-18
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return low
