"""Is the challenger failing more often than the champion? An answer that is valid at every look.

Given that an error happened, the arm it happened in is a coin: if the challenger takes share s of the traffic and fails
θ times as often as the champion, the coin shows "challenger" with probability

    π(θ) = sθ / (1 - s + sθ).

The tolerated ratio R fixes the null hypothesis θ ≤ R. A mixture over larger θ of the likelihood ratios against π(R) is
an e-process: under the null it is non-negative with mean at most 1, so by Ville's inequality the chance that it *ever*
reaches 1/alpha is at most alpha, however often it is looked at, and whatever the shares were. Errors that both arms
share (a bad client, a slow machine) fall on both in proportion to their traffic and so are evidence for nothing.

Lindon & Malek, *Anytime-Valid Inference for Multinomial Count Data* (2022); the restarts are an e-detector,
Shin, Ramdas & Rinaldo (2023).
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache

THETAS = 32  # alternatives in the mixture; more cost time and change the result by less than a tenth of an error
THETA_MAX = 300.0  # a version that always fails beside one that fails once in 300 requests
THETA_MIN_RATIO = 1.3  # smallest alternative, as a multiple of the tolerated ratio
RESTART_REQUESTS = 2000  # so that a version that turns bad late is not protected by its good past
LIVE_RESTARTS_MAX = 16  # the rest are frozen at their value, which keeps the sum an e-process


def _log_sum(values: list[float]) -> float:
    """log Σ exp(v), without overflow; -inf for no values."""
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


def _challenger_odds(share: float, theta: float) -> float:
    """π(θ): probability that an error is the challenger's, at traffic share `share` and error rate ratio `theta`."""
    return share * theta / (1 - share + share * theta)


@lru_cache(maxsize=256)
def _log_bets(tolerated_ratio: float, share: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Each alternative's log likelihood ratio for an error of the challenger, and for one of the champion."""
    low, high = THETA_MIN_RATIO * tolerated_ratio, max(THETA_MAX, 2 * THETA_MIN_RATIO * tolerated_ratio)
    thetas = [low * (high / low) ** (i / (THETAS - 1)) for i in range(THETAS)]
    null = _challenger_odds(share, tolerated_ratio)
    odds = [_challenger_odds(share, theta) for theta in thetas]
    on_challenger = tuple(math.log(p / null) for p in odds)
    on_champion = tuple(math.log((1 - p) / (1 - null)) for p in odds)
    return on_challenger, on_champion


@dataclass(slots=True)
class _Run:
    """One start of the mixture: what has been won or lost on each alternative since."""

    log_weight: float
    log_wealth: list[float] = field(default_factory=lambda: [0.0] * THETAS)

    @property
    def log_e(self) -> float:
        return self.log_weight + _log_sum(self.log_wealth) - math.log(THETAS)


@dataclass(frozen=True, slots=True)
class SavedTest:
    """All that a test knows, to go on with it in another process. `runs` are weight and wealth of each, as logs."""

    errors_challenger: int
    errors_champion: int
    alarmed: bool
    started: int
    requests_since_restart: int
    log_frozen: float | None
    runs: tuple[tuple[float, tuple[float, ...]], ...]


@dataclass(slots=True)
class RelativeErrorTest:
    """Alarms at level `alpha` when the challenger's error rate exceeds `tolerated_ratio` times the champion's.

    Feed it every request that was *randomised* between the arms, in any order:

    >>> test = RelativeErrorTest(alpha=0.001)
    >>> for _ in range(5):
    ...     test.observe(challenger=True, failed=True, share=0.05)
    >>> test.alarmed
    True

    `restart` begins a new run beside the running ones, for a stage with another share; it also happens by itself every
    `RESTART_REQUESTS` requests. Run j has weight 1/(j(j+1)); the runs to come stand in the sum with value 1 each.
    """

    alpha: float = 0.001
    tolerated_ratio: float = 1.0
    errors_challenger: int = 0
    errors_champion: int = 0
    _alarmed: bool = False
    _started: int = 0
    _requests_since_restart: int = 0
    _log_frozen: float = -math.inf
    _live: list[_Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is a probability in (0, 1), found {self.alpha}")
        if self.tolerated_ratio < 1:
            raise ValueError(f"a tolerated ratio is at least 1, found {self.tolerated_ratio}")
        self.restart()

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now: the evidence against "the challenger is no worse than tolerated"."""
        to_come = -math.log(self._started + 1)  # Σ 1/(j(j+1)) over the runs not yet started
        return _log_sum([to_come, self._log_frozen, *(run.log_e for run in self._live)])

    @property
    def threshold_log_e(self) -> float:
        return -math.log(self.alpha)

    @property
    def alarmed(self) -> bool:
        """Whether the e-value has ever reached 1/alpha; an alarm stays."""
        return self._alarmed

    def observe(self, *, challenger: bool, failed: bool, share: float) -> None:
        """Take one request that fell to the challenger or the champion while the challenger's share was `share`."""
        self._requests_since_restart += 1
        if failed:
            self._observe_error(challenger, share)
        if self._requests_since_restart >= RESTART_REQUESTS:
            self.restart()

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by what came before."""
        if len(self._live) >= LIVE_RESTARTS_MAX:
            weakest = min(self._live, key=lambda run: run.log_e)
            self._live.remove(weakest)
            self._log_frozen = _log_sum([self._log_frozen, weakest.log_e])
        self._started += 1
        self._live.append(_Run(log_weight=-math.log(self._started * (self._started + 1))))
        self._requests_since_restart = 0

    def save(self) -> SavedTest:
        return SavedTest(
            errors_challenger=self.errors_challenger,
            errors_champion=self.errors_champion,
            alarmed=self._alarmed,
            started=self._started,
            requests_since_restart=self._requests_since_restart,
            log_frozen=None if math.isinf(self._log_frozen) else self._log_frozen,
            runs=tuple((run.log_weight, tuple(run.log_wealth)) for run in self._live),
        )

    def resume(self, saved: SavedTest) -> None:
        """Go on where a test with the same alpha and ratio stood."""
        self.errors_challenger, self.errors_champion = saved.errors_challenger, saved.errors_champion
        self._alarmed = saved.alarmed
        self._started = saved.started
        self._requests_since_restart = saved.requests_since_restart
        self._log_frozen = -math.inf if saved.log_frozen is None else saved.log_frozen
        self._live = [_Run(weight, list(wealth)) for weight, wealth in saved.runs]

    def _observe_error(self, challenger: bool, share: float) -> None:
        if challenger:
            self.errors_challenger += 1
        else:
            self.errors_champion += 1
        if not 0 < share < 1:
            return  # with one arm only, the arm of an error says nothing
        on_challenger, on_champion = _log_bets(self.tolerated_ratio, share)
        bets = on_challenger if challenger else on_champion
        for run in self._live:
            run.log_wealth = [wealth + bet for wealth, bet in zip(run.log_wealth, bets, strict=True)]
        self._alarmed = self._alarmed or self.log_e >= self.threshold_log_e
