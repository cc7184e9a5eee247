"""Is a bounded quantity larger on average than is tolerated? An answer that is valid at every look.

The null hypothesis is that each observation x, which lies in [low, high], has a mean of at most m given the past. Then
1 + λ(x - m) is not negative for λ in [0, 1/(m - low)], and its mean is at most 1: a fair or losing bet, whatever the
distribution. A mixture over fixed λ of the products is an e-process. Nothing is assumed about the distribution, nor
that observations are alike; what depends on its neighbours (the rows of an hour) is made one observation, its mean.

Waudby-Smith & Ramdas, *Estimating means of bounded random variables by betting* (2023); the restarts are those of
`detector`.
"""

from dataclasses import dataclass, field
from math import log1p

from healing.sequential.detector import LIVE_RUNS_MAX, Alarming, EDetector, SavedDetector, checked_alpha

# Bets as parts of the largest: small ones win slowly on a small excess, large ones quickly on a large. The largest bet
# itself would lose everything on one observation at `low`.
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95)


@dataclass(frozen=True, slots=True)
class SavedMean:
    """All that a test knows, to go on with it in another process."""

    observations: int
    total: float
    since_restart: int
    alarmed: bool
    detector: SavedDetector


@dataclass(slots=True)
class BoundedMeanTest(Alarming):
    """Alarms at level `alpha` when observations in [low, high] are larger than `tolerated` on average.

    >>> test = BoundedMeanTest(alpha=0.01, low=-1, high=1, tolerated=0)
    >>> for _ in range(16):
    ...     test.observe(0.8)
    >>> test.alarmed
    True

    The nearer `low` is to `tolerated`, the larger the bets may be: narrow bounds find a small excess sooner. `high` is
    for checking only and may be infinite. `restart` begins a new run beside the running ones; it also happens by itself
    every `restart_observations`, where given.
    """

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
    _alarmed: bool = False
    _detector: EDetector = field(init=False)

    def __post_init__(self) -> None:
        checked_alpha(self.alpha)
        self._detector = EDetector(len(self.fractions), self.live_max)
        if not self.low < self.tolerated < self.high:
            raise ValueError(f"expected low < tolerated < high, found {self.low}, {self.tolerated}, {self.high}")

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now: the evidence against "no larger than tolerated on average"."""
        return self._detector.log_e

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
        self._detector.bet([log1p(fraction * won) for fraction in self.fractions])
        self._alarmed = self._alarmed or self.log_e >= self.threshold_log_e
        self._since_restart += 1
        if self._since_restart == self.restart_observations:
            self.restart()

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by what came before."""
        self._detector.restart()
        self._since_restart = 0

    def save(self) -> SavedMean:
        return SavedMean(self.observations, self.total, self._since_restart, self._alarmed, self._detector.save())

    def resume(self, saved: SavedMean) -> None:
        """Go on where a test with the same alpha, bounds and tolerance stood."""
        self._detector.resume(saved.detector)
        self.observations, self.total = saved.observations, saved.total
        self._since_restart, self._alarmed = saved.since_restart, saved.alarmed
