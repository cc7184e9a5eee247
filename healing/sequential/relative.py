"""Does something happen to the challenger more often than to the champion? An answer that is valid at every look.

Given that an event happened (an error, a slow answer), the arm it happened in is a coin: if the challenger takes share
s of the traffic and suffers it θ times as often as the champion, the coin shows "challenger" with probability

    π(θ) = sθ / (1 - s + sθ).

The tolerated ratio R fixes the null hypothesis θ ≤ R. A mixture over larger θ of the likelihood ratios against π(R) is
an e-process, whatever the shares were. Events that both arms share (a bad client, a slow machine) fall on both in
proportion to their traffic and so are evidence for nothing.

Lindon & Malek, *Anytime-Valid Inference for Multinomial Count Data* (2022); the restarts are those of `detector`.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import log

from healing.sequential.detector import Alarming, EDetector, SavedDetector, checked_alpha

THETAS = 32  # alternatives in the mixture; more cost time and change the result by less than a tenth of an error
THETA_MAX = 100.0  # largest alternative; a version that is worse still is found in as many requests
THETA_MIN_RATIO = 1.5  # smallest alternative, as a multiple of the tolerated ratio
RESTART_REQUESTS = 2000  # so that a version that turns bad late is not protected by its good past


def _challenger_odds(share: float, theta: float) -> float:
    """π(θ): probability that an event is the challenger's, at traffic share `share` and rate ratio `theta`."""
    return share * theta / (1 - share + share * theta)


@lru_cache(maxsize=256)
def _log_bets(tolerated_ratio: float, share: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Each alternative's log likelihood ratio for an event of the challenger, and for one of the champion."""
    low, high = THETA_MIN_RATIO * tolerated_ratio, max(THETA_MAX, 2 * THETA_MIN_RATIO * tolerated_ratio)
    thetas = [low * (high / low) ** (i / (THETAS - 1)) for i in range(THETAS)]
    null = _challenger_odds(share, tolerated_ratio)
    odds = [_challenger_odds(share, theta) for theta in thetas]
    on_challenger = tuple(log(p / null) for p in odds)
    on_champion = tuple(log((1 - p) / (1 - null)) for p in odds)
    return on_challenger, on_champion


@dataclass(frozen=True, slots=True)
class SavedRelative:
    """All that a test knows, to go on with it in another process."""

    challenger: int
    champion: int
    requests: int
    alarmed: bool
    detector: SavedDetector


@dataclass(slots=True)
class RelativeRateTest(Alarming):
    """Alarms at level `alpha` when events befall the challenger more than `tolerated_ratio` times as often.

    Feed it every request that was *randomised* between the arms, in any order:

    >>> test = RelativeRateTest(alpha=0.001)
    >>> for _ in range(5):
    ...     test.observe(challenger=True, event=True, share=0.05)
    >>> test.alarmed
    True

    `restart` begins a new run beside the running ones, for a stage with another share; it also happens by itself every
    `RESTART_REQUESTS` requests. `challenger` and `champion` count the events of each arm.
    """

    alpha: float = 0.001
    tolerated_ratio: float = 1.0
    challenger: int = 0
    champion: int = 0
    _requests: int = 0  # since the last restart
    _pending: int = 0  # champion's events that no bet has been settled for: together they cost one
    _pending_share: float = 0.0
    _alarmed: bool = False
    _detector: EDetector = field(default_factory=lambda: EDetector(THETAS))

    def __post_init__(self) -> None:
        checked_alpha(self.alpha)
        if self.tolerated_ratio < 1:
            raise ValueError(f"a tolerated ratio is at least 1, found {self.tolerated_ratio}")

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now: the evidence against "no more often than tolerated"."""
        self._settle()
        return self._detector.log_e

    def observe(self, *, challenger: bool, event: bool, share: float) -> None:
        """Take one request that fell to the challenger or the champion while the challenger's share was `share`."""
        if event:
            self._observe_event(challenger, share)
        self.observe_quiet(1)

    def observe_quiet(self, requests: int) -> None:
        """Take requests that nothing befell: they only bring the next restart nearer."""
        self._requests += requests
        while self._requests >= RESTART_REQUESTS:
            left = self._requests - RESTART_REQUESTS
            self.restart()
            self._requests = left

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by what came before."""
        self._settle()
        self._detector.restart()
        self._requests = 0

    def save(self) -> SavedRelative:
        self._settle()
        return SavedRelative(self.challenger, self.champion, self._requests, self._alarmed, self._detector.save())

    def resume(self, saved: SavedRelative) -> None:
        """Go on where a test with the same alpha and ratio stood."""
        self._detector.resume(saved.detector)
        self.challenger, self.champion = saved.challenger, saved.champion
        self._requests, self._alarmed = saved.requests, saved.alarmed

    def _observe_event(self, challenger: bool, share: float) -> None:
        self.challenger += challenger
        self.champion += not challenger
        if not 0 < share < 1:
            return  # with one arm only, the arm of an event says nothing
        if share != self._pending_share:
            self._settle()
            self._pending_share = share
        if not challenger:
            self._pending += 1  # it lowers the e-value only, so no alarm is missed by settling later
            return
        self._settle()
        self._detector.bet(_log_bets(self.tolerated_ratio, share)[0])
        self._alarmed = self._alarmed or self._detector.log_e >= self.threshold_log_e

    def _settle(self) -> None:
        if self._pending:
            self._detector.bet(_log_bets(self.tolerated_ratio, self._pending_share)[1], self._pending)
            self._pending = 0
