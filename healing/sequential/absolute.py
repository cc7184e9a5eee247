"""Sequential test of an event rate against a fixed tolerance, for traffic without a champion: shadow, and weight 1.

Each observation is an event or not. The null hypothesis is that, given the past, its probability is at most p0. A
mixture over larger p of the likelihood ratios (p/p0 for an event, (1-p)/(1-p0) for none) is an e-process under it. The
rate may change all the time, as long as it stays within p0.

Ramdas, Grünwald, Vovk & Shafer, *Game-theoretic statistics and safe anytime-valid inference* (2023); the restarts are
those of `detector`.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, log
from typing import ClassVar

from healing.sequential.detector import EDetector, SequentialTest, check_alpha

RATES = 16  # alternatives; twice as many change the result by less than a tenth of an event
ODDS_MIN_RATIO = 1.3  # smallest alternative: these odds, as a multiple of the tolerated ones
ODDS_MAX = 99.0  # largest alternative: it happens in 99 of 100 cases
RESTART_OBSERVATIONS = 2000  # so that a long good past does not hide a later change


@lru_cache(maxsize=64)
def _log_bets(tolerated: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Log likelihood ratios for an event, and for none, of alternatives evenly spaced in log odds."""
    odds = tolerated / (1 - tolerated)
    low = log(ODDS_MIN_RATIO * odds)
    high = max(log(ODDS_MAX), low + log(2))
    alternatives = [exp(low + (high - low) * i / (RATES - 1)) for i in range(RATES)]
    rates = [value / (1 + value) for value in alternatives]
    on_event = tuple(log(rate / tolerated) for rate in rates)
    on_none = tuple(log((1 - rate) / (1 - tolerated)) for rate in rates)
    return on_event, on_none


@dataclass(slots=True)
class AbsoluteRateTest(SequentialTest):
    """Rejects at level `alpha` that events are at most as frequent as `tolerated`, a share in (0, 1).

    >>> test = AbsoluteRateTest(alpha=0.001, tolerated=0.02)
    >>> for _ in range(4):
    ...     test.observe(event=True)
    >>> test.rejected
    True

    `restart` begins a new run beside the running ones; the test also restarts every `RESTART_OBSERVATIONS`.
    """

    _COUNTS: ClassVar[tuple[str, ...]] = ("events", "observations", "_until_restart")
    alpha: float
    tolerated: float
    events: int = 0
    observations: int = 0
    _quiet: int = 0  # observations without an event whose bets are not settled yet: settled together, they cost one bet
    _until_restart: int = RESTART_OBSERVATIONS
    _rejected: bool = False
    _detector: EDetector = field(default_factory=lambda: EDetector(RATES))

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if not 0 < self.tolerated < 1:
            raise ValueError(f"a tolerated rate is a share in (0, 1), found {self.tolerated}")

    def observe(self, *, event: bool) -> None:
        """Take one observation."""
        if not event:
            self.observe_quiet(1)
            return
        self._settle()
        self.events += 1
        self._bet(_log_bets(self.tolerated)[0])
        self._count(1)

    def observe_quiet(self, observations: int) -> None:
        """Take observations without an event."""
        while observations:
            taken = min(observations, self._until_restart)
            self._quiet += taken
            self._count(taken)
            observations -= taken

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by earlier observations."""
        self._settle()
        self._detector.restart()
        self._until_restart = RESTART_OBSERVATIONS

    def _count(self, observations: int) -> None:
        self.observations += observations
        self._until_restart -= observations
        if self._until_restart == 0:
            self.restart()

    def _settle(self) -> None:
        if self._quiet:
            self._detector.bet(_log_bets(self.tolerated)[1], self._quiet)
            self._quiet = 0
