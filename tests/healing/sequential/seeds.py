"""What tests over many seeds have in common: how many, and how many alarms a stated level allows."""

import math
from collections.abc import Callable

SEEDS = 200


def alarms_allowed(alpha: float, runs: int = SEEDS) -> float:
    """Alarms in so many runs at a true chance of `alpha`, with three standard deviations: the test cries no wolf."""
    return runs * alpha + 3 * math.sqrt(runs * alpha * (1 - alpha))


def alarms(run: Callable[[int], bool]) -> int:
    """In how many of the seeds `run` alarms."""
    return sum(run(seed) for seed in range(SEEDS))
