"""Anytime-valid confidence bound for the running mean of bounded quantities: an empirical Bernstein bound.

With x in units of its largest deviation c from a guess g that was fixed before, ξ = (x - g)/c ≥ -1, and for λ in [0, 1)

    exp(λξ - ψ(λ)ξ²) ≤ 1 + λξ,   ψ(λ) = -ln(1 - λ) - λ   (Fan, Grama & Liu 2015)

so exp(λ Σ(x - μ)/c - ψ(λ) Σξ²) is a supermartingale, where each μ is the mean of its x given the past. A mixture over
fixed λ is one too, and by Ville's inequality it ever exceeds 1/alpha with probability alpha at most. Nothing is assumed
about the distribution, and the means may change: the bound is for their running mean.

Howard, Ramdas, McAuliffe & Sekhon, *Time-uniform, nonparametric, nonasymptotic confidence sequences* (2021), theorem 4.
"""

import math
from dataclasses import dataclass

from healing.sequential.detector import check_alpha, log_sum

# One λ is best for one amount of variance, near sqrt(2 ln(1/alpha) / V): these reach from V = 1 to V = 10^8.
LAMBDAS = tuple(0.9 * 0.62**power for power in range(20))
_PSI = tuple(-math.log1p(-rate) - rate for rate in LAMBDAS)
_LOG_COUNT = math.log(len(LAMBDAS))
_TOLERANCE = 1e-6  # relative, of a bound that is searched for; it errs on the wide side


def log_e(total: float, variance: float) -> float:
    """Log of the e-value against Σ(x - μ)/c being `total` by chance, at the sum `variance` of ξ²."""
    return log_sum([rate * total - psi * variance for rate, psi in zip(LAMBDAS, _PSI, strict=True)]) - _LOG_COUNT


def deviation(variance: float, alpha: float) -> float:
    """The largest Σ(x - μ)/c that is not refuted at level `alpha`, at the sum `variance` of ξ²."""
    threshold = -math.log(alpha)
    least = min((threshold + psi * variance) / rate for rate, psi in zip(LAMBDAS, _PSI, strict=True))
    most = min((threshold + _LOG_COUNT + psi * variance) / rate for rate, psi in zip(LAMBDAS, _PSI, strict=True))
    while most - least > _TOLERANCE * most:  # the e-value grows with the total
        middle = (least + most) / 2
        least, most = (least, middle) if log_e(middle, variance) >= threshold else (middle, most)
    return most


@dataclass(slots=True)
class MeanBound:
    """One-sided bounds for the running mean of x, each at level `alpha`; `scale` is the largest |x - guess|.

    >>> bound = MeanBound(alpha=0.025, scale=1.0)
    >>> for number in range(1000):
    ...     bound.observe(float(number % 2), guess=0.5)
    >>> bound.mean, round(bound.lower, 3), round(bound.upper, 3)
    (0.5, 0.443, 0.557)
    """

    alpha: float
    scale: float
    observations: int = 0
    total: float = 0.0
    variance: float = 0.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not self.scale > 0:
            raise ValueError(f"expected a scale above 0, found {self.scale}")

    def observe(self, value: float, guess: float) -> None:
        """Take one observation, with a guess that was made before it; ValueError if they are further than `scale`."""
        deviates = (value - guess) / self.scale
        if not abs(deviates) <= 1 + 1e-9:
            raise ValueError(f"expected a value within {self.scale} of {guess}, found {value}")
        self.observations += 1
        self.total += value
        self.variance += deviates * deviates

    @property
    def mean(self) -> float:
        return self.total / self.observations if self.observations else 0.0

    @property
    def lower(self) -> float:
        return self.mean - self.radius

    @property
    def upper(self) -> float:
        return self.mean + self.radius

    @property
    def radius(self) -> float:
        """The distance of each bound from the mean; infinite without observations."""
        return self.radius_at(1.0)

    def radius_at(self, times: float) -> float:
        """The distance after `times` as many observations with the same variance each."""
        if not self.observations:
            return math.inf
        return self.scale * deviation(self.variance * times, self.alpha) / (self.observations * times)
