"""Intervals for shares and medians: Clopper-Pearson by SciPy, and a seeded percentile bootstrap of censored times.

SciPy has no bootstrap in which infinity stands for what never happened.
"""

import math
import random
from collections.abc import Sequence

__all__ = ["median_interval", "nearest_rank", "ratio_interval", "share_bound", "share_interval"]

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
    from scipy.stats import binomtest

    found = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)


def share_bound(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """One-sided Clopper-Pearson bound: the smallest probability that the trials do not reject; 0 without a trial.

    >>> round(share_bound(20, 20), 3)
    0.861
    """
    if trials == 0:
        return 0.0
    from scipy.stats import binomtest

    found = binomtest(successes, trials, alternative="greater").proportion_ci(confidence, method="exact")
    return float(found.low)


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
