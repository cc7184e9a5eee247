"""Simulated clients of A/B tests with a known effect, and whether an interval misses it at any look."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

from healing.ab_effect import ABEffect, Client
from healing.ab_rules import ABRules
from healing.sequential.interval import MeanBound, log_e

RULES = ABRules(outcome="revenue", low=0.0, high=1.0)
Draw = Callable[[random.Random, bool, int], float]
Hides = Callable[[random.Random, bool, float], bool]


def never(_: random.Random, __: bool, ___: float) -> bool:
    return False


@dataclass(frozen=True)
class World:
    """`draw` makes one client's outcome in an arm, by its number; `hides` says whether it never arrives."""

    draw: Draw
    effect: float
    share: float = 0.5
    hides: Hides = never

    def clients(self, seed: int, count: int) -> Iterator[Client]:
        generator = random.Random(seed)
        for number in range(count):
            challenger = generator.random() < self.share
            outcome = self.draw(generator, challenger, number)
            hidden = self.hides(generator, challenger, outcome)
            yield Client(challenger, 0.0 if hidden else outcome, 1.0 if hidden else outcome)


def binary(generator: random.Random, challenger: bool, _: int) -> float:
    return float(generator.random() < 0.5)


def skewed(generator: random.Random, challenger: bool, _: int) -> float:
    """Nine of ten clients buy nothing, the others spend very different amounts."""
    return min(1.0, generator.lognormvariate(-3.5, 1.2)) if generator.random() < 0.1 else 0.0


def drifting(generator: random.Random, challenger: bool, number: int) -> float:
    """Outcomes fall over time in both arms; the challenger's are higher by 0.1 all the time."""
    return 0.8 - 0.6 * min(1.0, number / 200) + 0.1 * challenger + generator.uniform(-0.1, 0.1)


def rows_of_client(generator: random.Random) -> list[float]:
    """The rows of one client, which share the client's own level."""
    level = generator.betavariate(0.3, 0.3)
    return [float(generator.random() < level) for _ in range(1 + int(generator.expovariate(0.1)))]


def clustered(generator: random.Random, challenger: bool, _: int) -> float:
    rows = rows_of_client(generator)
    return sum(rows) / len(rows)


def misses_effect(world: World, seed: int, count: int) -> bool:
    """Whether the interval of the product misses the effect after any of `count` clients."""
    effect = ABEffect(RULES, world.share)
    for client in world.clients(seed, count):
        effect.observe(client)
        if _is_outside(effect.worst, world.effect, above=True) or _is_outside(effect.best, world.effect, above=False):
            return True
    return False


def _is_outside(bound: MeanBound, mean: float, *, above: bool) -> bool:
    """Whether `mean` is beyond the bound: one e-value instead of the search for the bound."""
    excess = (bound.total - bound.observations * mean) / bound.scale * (1 if above else -1)
    return excess > 0 and log_e(excess, bound.variance) >= -math.log(bound.alpha)


def fixed_sample_misses(world: World, seed: int, count: int) -> bool:
    """The same with the usual 95 % interval of two means, which holds for one look at a planned time."""
    z = NormalDist().inv_cdf(0.975)
    sums = {True: [0, 0.0, 0.0], False: [0, 0.0, 0.0]}
    for client in world.clients(seed, count):
        arm = sums[client.challenger]
        arm[0] += 1
        arm[1] += client.low
        arm[2] += client.low**2
        if min(sums[True][0], sums[False][0]) < 20:
            continue
        means = {key: total / n for key, (n, total, _) in sums.items()}
        variance = sum((squares / n - means[key] ** 2) / n for key, (n, _, squares) in sums.items())
        if abs(means[True] - means[False] - world.effect) > z * math.sqrt(variance):
            return True
    return False
