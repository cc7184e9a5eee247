"""Number of seeds for statistical tests, and how many rejections a level of alpha allows over them."""

import math
from collections.abc import Callable

SEEDS = 200


def rejections_allowed(alpha: float, runs: int = SEEDS) -> float:
    """Rejections in `runs` runs at a true probability of `alpha`, plus three standard deviations."""
    return runs * alpha + 3 * math.sqrt(runs * alpha * (1 - alpha))


def rejections(run: Callable[[int], bool]) -> int:
    """For how many seeds `run` rejects."""
    return sum(run(seed) for seed in range(SEEDS))
