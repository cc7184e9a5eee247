"""Sequential test of the mean of a bounded quantity against a tolerance.

The null hypothesis is that each observation x, which lies in [low, high], has a mean of at most m given the past. Then
1 + λ(x - m) is not negative for λ in [0, 1/(m - low)], and its mean is at most 1: a fair or losing bet, whatever the
distribution. A mixture over fixed λ of the products is an e-process. Nothing is assumed about the distribution, and
observations need not be identically distributed; values that depend on each other (the rows of an hour) are one
observation, their mean.

Waudby-Smith & Ramdas, *Estimating means of bounded random variables by betting* (2023); the restarts are those of
`detector`.
"""

from dataclasses import dataclass, field
from math import log1p
from typing import ClassVar

from healing.sequential.detector import LIVE_RUNS_MAX, EDetector, SequentialTest, check_alpha

# Bets as parts of the largest possible bet: small ones gain slowly on a small excess, large ones fast on a large
# excess. The largest bet itself would lose everything on one observation at `low`.
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95)


@dataclass(slots=True)
class BoundedMeanTest(SequentialTest):
    """Rejects at level `alpha` that observations in [low, high] are at most `tolerated` on average.

    >>> test = BoundedMeanTest(alpha=0.01, low=-1, high=1, tolerated=0)
    >>> for _ in range(16):
    ...     test.observe(0.8)
    >>> test.rejected
    True

    The nearer `low` is to `tolerated`, the larger the bets may be: narrow bounds find a small excess sooner. `high`
    only checks observations and may be infinite. `restart` begins a new run beside the running ones; the test also
    restarts every `restart_observations`, if given.
    """

    _COUNTS: ClassVar[tuple[str, ...]] = ("observations", "total", "_since_restart")
    alpha: float
    low: float
    high: float
    tolerated: float
    restart_observations: int | None = None
    fractions: tuple[float, ...] = FRACTIONS
    live_max: int = LIVE_RUNS_MAX
    observations: int = 0
    total: float = 0.0
    _since_restart: int = 0
    _rejected: bool = False
    _detector: EDetector = field(init=False)

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        self._detector = EDetector(len(self.fractions), self.live_max)
        if not self.low < self.tolerated < self.high:
            raise ValueError(f"expected low < tolerated < high, found {self.low}, {self.tolerated}, {self.high}")

    @property
    def mean(self) -> float | None:
        """The mean of all observations; None without any."""
        return self.total / self.observations if self.observations else None

    def observe(self, value: float) -> None:
        """Take one observation; ValueError when it is not in [low, high]."""
        if not self.low <= value <= self.high:
            raise ValueError(f"expected an observation in [{self.low}, {self.high}], found {value}; clip it first")
        self.observations += 1
        self.total += value
        won = (value - self.tolerated) / (self.tolerated - self.low)
        self._bet([log1p(fraction * won) for fraction in self.fractions])
        self._since_restart += 1
        if self._since_restart == self.restart_observations:
            self.restart()

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by earlier observations."""
        self._detector.restart()
        self._since_restart = 0
