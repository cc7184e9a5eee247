"""The difference between the arms of an A/B test: its anytime-valid interval, what it decides, and the days needed.

A client is one observation: it is assigned to an arm at random with the challenger's share s, and everything that it
requests depends on everything else. With the outcome x of a client and guesses m1, m0 of both arms' outcomes that use
only earlier clients,

    D = m1 - m0 + (x - m1)/s          for a client of the challenger,
    D = m1 - m0 - (x - m0)/(1 - s)    for a client of the champion

has the client's own effect x(1) - x(0) as its mean, whatever the guesses are (Howard et al. 2021, section 4.2; Robins,
Rotnitzky & Zhao 1994). `healing.sequential.interval` bounds the running mean of these effects at every look. Outcomes
may drift, and clients may differ: only the assignment is random.

Where a client's outcome is known only to lie in an interval, the lower bound takes the worst case for the challenger,
and the upper bound the best one (Manski 1989).
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from healing.ab_rules import CLIENTS_MIN, ABRules, Better
from healing.sequential.interval import MeanBound

_GROWTH_MAX = 2**10  # times as many clients; beyond that, the estimated effect is mostly noise


@dataclass(frozen=True, slots=True)
class Client:
    """One client whose outcome is settled: it lies in [`low`, `high`], which are equal where every row has a value."""

    challenger: bool
    low: float
    high: float


class ABDecision(StrEnum):
    """What the interval says about the challenger."""

    BETTER = "better"  # by the smallest effect that matters, or at all where none is given
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"  # smaller than the smallest effect that matters, in either direction
    INCONCLUSIVE = "inconclusive"


class ABEffect:
    """Challenger minus champion, per client. `lower` and `upper` are one interval at every look, infinite at first.

    `observe` the clients in the order of their first requests. `worst` and `best` are the bounds of the mean difference
    under the worst and under the best case of what is missing.

    >>> effect = ABEffect(ABRules("clicks", 0.0, 1.0), weight=0.5)
    >>> for number in range(4000):
    ...     effect.observe(Client(number % 2 == 0, *[float(number % 4 < 3)] * 2))
    >>> effect.estimate, effect.decision.value
    (-0.0, 'inconclusive')
    """

    def __init__(self, rules: ABRules, weight: float) -> None:
        scale = (rules.high - rules.low) / min(weight, 1 - weight)
        self.rules = rules
        self.challenger_clients = 0
        self.champion_clients = 0
        self.worst = MeanBound(rules.alpha / 2, scale)
        self.best = MeanBound(rules.alpha / 2, scale)
        self._arms = (_Arms(weight, rules, self.worst), _Arms(weight, rules, self.best))

    def observe(self, client: Client) -> None:
        """Take the next settled client."""
        worst, best = self._arms
        self.challenger_clients += client.challenger
        self.champion_clients += not client.challenger
        worst.observe(client.challenger, client.low if client.challenger else client.high)
        best.observe(client.challenger, client.high if client.challenger else client.low)

    @property
    def clients(self) -> int:
        return self.challenger_clients + self.champion_clients

    @property
    def estimate(self) -> float | None:
        """The middle of the two means; None without clients."""
        return (self.worst.mean + self.best.mean) / 2 if self.clients else None

    @property
    def lower(self) -> float:
        return self._within(self.worst.lower)

    @property
    def upper(self) -> float:
        return self._within(self.best.upper)

    @property
    def decision(self) -> ABDecision:
        if min(self.challenger_clients, self.champion_clients) < CLIENTS_MIN:
            return ABDecision.INCONCLUSIVE
        return _decide(self.lower, self.upper, self.rules)

    def clients_needed(self) -> int | None:
        """How many more clients decide the test, if the effect and the spread stay what they were; 0 if it is decided.

        None before `CLIENTS_MIN` clients per arm, and where no number is in sight: too many outcomes are missing.
        """
        if min(self.challenger_clients, self.champion_clients) < CLIENTS_MIN:
            return None

        def decided(clients: int) -> bool:
            times = clients / self.clients
            lower, upper = self.worst.mean - self.worst.radius_at(times), self.best.mean + self.best.radius_at(times)
            return _decide(lower, upper, self.rules) is not ABDecision.INCONCLUSIVE

        if decided(self.clients):
            return 0
        growth = 2
        while not decided(growth * self.clients):
            growth *= 2
            if growth > _GROWTH_MAX:
                return None
        further = range(1, (growth - 1) * self.clients + 1)
        return further[bisect_left(further, True, key=lambda more: decided(self.clients + more))]

    def _within(self, bound: float) -> float:
        """No difference is larger than the range of the outcome."""
        most = self.rules.high - self.rules.low
        return min(most, max(-most, bound))


def effect_of(clients: Iterable[Client], rules: ABRules, weight: float) -> ABEffect:
    """The effect by the clients in the order of their first requests; `weight` is the challenger's share."""
    effect = ABEffect(rules, weight)
    for client in clients:
        effect.observe(client)
    return effect


class _Arms:
    """Turns the outcomes of both arms into differences, with guesses from earlier clients."""

    def __init__(self, weight: float, rules: ABRules, bound: MeanBound) -> None:
        self.bound = bound
        self._share = {True: weight, False: 1 - weight}
        self._sums = {True: 0.0, False: 0.0}
        self._counts = {True: 0, False: 0}
        self._first = rules.absent if rules.absent is not None else (rules.low + rules.high) / 2

    def observe(self, challenger: bool, outcome: float) -> None:
        expected = self._guess(True) - self._guess(False)
        surprise = (outcome - self._guess(challenger)) / self._share[challenger]
        self.bound.observe(expected + (surprise if challenger else -surprise), expected)
        self._sums[challenger] += outcome
        self._counts[challenger] += 1

    def _guess(self, challenger: bool) -> float:
        """The mean of the arm so far; before its first client that of the other arm."""
        arm = challenger if self._counts[challenger] else not challenger
        return self._sums[arm] / self._counts[arm] if self._counts[arm] else self._first


def _decide(lower: float, upper: float, rules: ABRules) -> ABDecision:
    """The decision by the interval, turned so that a positive difference is an improvement."""
    if rules.better is Better.LOWER:
        lower, upper = -upper, -lower
    matters = rules.effect_min
    if lower > 0 and lower >= (matters or 0.0):
        return ABDecision.BETTER
    if upper < 0:
        return ABDecision.WORSE
    if matters is not None and -matters < lower and upper < matters:
        return ABDecision.NO_DIFFERENCE
    return ABDecision.INCONCLUSIVE
