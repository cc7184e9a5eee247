"""Sequential test of the ratio of two event rates: the challenger's over the champion's.

Given that an event happened (an error, a slow answer), its arm is like a coin: if the challenger takes share s of the
traffic and has θ times the champion's event rate, the coin shows "challenger" with probability

    π(θ) = sθ / (1 - s + sθ).

The tolerated ratio R fixes the null hypothesis θ ≤ R. A mixture over larger θ of the likelihood ratios against π(R) is
an e-process, whatever the shares were. Events that both arms share (a bad client, a slow machine) happen to both in
proportion to their traffic, and so are no evidence.

Lindon & Malek, *Anytime-Valid Inference for Multinomial Count Data* (2022); the restarts are those of `detector`.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import log
from typing import ClassVar

from healing.sequential.detector import EDetector, SequentialTest, check_alpha

THETAS = 32  # alternatives in the mixture; more of them cost time and change results by less than 0.1 errors
THETA_MAX = 100.0  # largest alternative; a version that is worse still is found in as many requests
THETA_MIN_RATIO = 1.5  # smallest alternative, as a multiple of the tolerated ratio
RESTART_REQUESTS = 2000  # so that a long good past does not hide a later change


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


@dataclass(slots=True)
class RelativeRateTest(SequentialTest):
    """Rejects at level `alpha` that the challenger has at most `tolerated_ratio` times the champion's event rate.

    Feed it every request that was *randomised* between the arms, in any order:

    >>> test = RelativeRateTest(alpha=0.001)
    >>> for _ in range(5):
    ...     test.observe(challenger=True, event=True, share=0.05)
    >>> test.rejected
    True

    `restart` begins a new run beside the running ones, for a stage with another share; the test also restarts every
    `RESTART_REQUESTS` requests. `challenger` and `champion` count the events of each arm.
    """

    _COUNTS: ClassVar[tuple[str, ...]] = ("challenger", "champion", "_requests")
    alpha: float = 0.001
    tolerated_ratio: float = 1.0
    challenger: int = 0
    champion: int = 0
    _requests: int = 0  # since the last restart
    _pending: int = 0  # the champion's events whose bets are not settled yet: settled together, they cost one bet
    _pending_share: float = 0.0
    _rejected: bool = False
    _detector: EDetector = field(default_factory=lambda: EDetector(THETAS))

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.tolerated_ratio < 1:
            raise ValueError(f"a tolerated ratio is at least 1, found {self.tolerated_ratio}")

    def observe(self, *, challenger: bool, event: bool, share: float) -> None:
        """Take one request that the challenger or the champion got while the challenger's share was `share`."""
        if event:
            self._observe_event(challenger, share)
        self.observe_quiet(1)

    def observe_quiet(self, requests: int) -> None:
        """Take requests without an event: they only count towards the next restart."""
        self._requests += requests
        while self._requests >= RESTART_REQUESTS:
            left = self._requests - RESTART_REQUESTS
            self.restart()
            self._requests = left

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by earlier observations."""
        self._settle()
        self._detector.restart()
        self._requests = 0

    def _observe_event(self, challenger: bool, share: float) -> None:
        self.challenger += challenger
        self.champion += not challenger
        if not 0 < share < 1:
            return  # with only one arm, the arm of an event is no evidence
        if share != self._pending_share:
            self._settle()
            self._pending_share = share
        if not challenger:
            self._pending += 1  # it only lowers the e-value
            return
        self._settle()
        self._bet(_log_bets(self.tolerated_ratio, share)[0])

    def _settle(self) -> None:
        if self._pending:
            self._detector.bet(_log_bets(self.tolerated_ratio, self._pending_share)[1], self._pending)
            self._pending = 0
