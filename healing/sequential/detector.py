"""Evidence that may be looked at all the time, for harm that may begin at any time: an e-detector.

A run bets against the null hypothesis on several alternatives at once, each with its own wealth that starts at 1.
Under the null no bet is expected to win, so the mean wealth of a run is an e-process: at any stopping time its
expectation is at most 1. Runs begin again and again, run j with weight 1/(j(j+1)); the weights add up to 1, and a run
to come stands in the sum with value 1. So the sum is an e-process too, and the chance that it ever reaches 1/alpha is
at most alpha (Ville). A run that begins late owes nothing to a good past.

Shin, Ramdas & Rinaldo, *E-detectors: a nonparametric framework for sequential change detection* (2023).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add

LIVE_RUNS_MAX = 16  # the rest are frozen at their value, which keeps the sum an e-process


def log_sum(values: Sequence[float]) -> float:
    """log Σ exp(v), without overflow; -inf for no values."""
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(sum([math.exp(value - top) for value in values]))


def checked_alpha(alpha: float) -> float:
    """`alpha`, or ValueError when it is no error probability."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability in (0, 1), found {alpha}")
    return alpha


class Alarming:
    """A test that alarms once its e-value has reached 1/alpha, whatever it bets on."""

    __slots__ = ()
    alpha: float
    _alarmed: bool

    @property
    def threshold_log_e(self) -> float:
        return -math.log(self.alpha)

    @property
    def alarmed(self) -> bool:
        """Whether the e-value has ever reached 1/alpha; an alarm stays."""
        return self._alarmed


@dataclass(slots=True)
class _Run:
    """One start of the mixture: what has been won or lost on each alternative since, as a logarithm."""

    log_weight: float
    log_wealth: list[float]
    _log_e: float | None = None  # of the present wealth, once asked for

    @property
    def log_e(self) -> float:
        if self._log_e is None:
            self._log_e = self.log_weight + log_sum(self.log_wealth) - math.log(len(self.log_wealth))
        return self._log_e

    def bet(self, log_factors: Sequence[float]) -> None:
        self.log_wealth = list(map(add, self.log_wealth, log_factors))
        self._log_e = None


@dataclass(frozen=True, slots=True)
class SavedDetector:
    """All that a detector knows, to go on with it in another process. `runs` are weight and wealth of each, as logs."""

    started: int
    log_frozen: float | None
    runs: tuple[tuple[float, tuple[float, ...]], ...]


@dataclass(slots=True)
class EDetector:
    """Runs of one mixture over `alternatives` bets, the first begun at once.

    >>> detector = EDetector(alternatives=2)
    >>> detector.bet([math.log(2), math.log(3)])
    >>> round(math.exp(detector.log_e), 3)  # (2 + 3) / 2 in run 1, weight 1/2; the rest is to come
    1.75
    """

    alternatives: int
    live_max: int = LIVE_RUNS_MAX
    _started: int = 0
    _log_frozen: float = -math.inf
    _live: list[_Run] = field(default_factory=list)
    _log_e: float | None = None  # of the present bets, once asked for

    def __post_init__(self) -> None:
        self.restart()

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now."""
        if self._log_e is None:
            to_come = -math.log(self._started + 1)  # Σ 1/(j(j+1)) over the runs not yet started
            self._log_e = log_sum([to_come, self._log_frozen, *(run.log_e for run in self._live)])
        return self._log_e

    def bet(self, log_factors: Sequence[float], times: float = 1) -> None:
        """Multiply the wealth on each alternative by exp(factor), `times` over.

        Each factor is the logarithm of a random variable whose mean, given the past, is at most 1 under the null.
        """
        if len(log_factors) != self.alternatives:
            raise ValueError(f"expected {self.alternatives} factors, found {len(log_factors)}")
        self._log_e = None
        settled = log_factors if times == 1 else [times * factor for factor in log_factors]
        for run in self._live:
            run.bet(settled)

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by what came before."""
        if len(self._live) >= self.live_max:
            weakest = min(self._live, key=lambda run: run.log_e)
            self._live.remove(weakest)
            self._log_frozen = log_sum([self._log_frozen, weakest.log_e])
        self._started += 1
        self._log_e = None
        self._live.append(_Run(-math.log(self._started * (self._started + 1)), [0.0] * self.alternatives))

    def save(self) -> SavedDetector:
        return SavedDetector(
            started=self._started,
            log_frozen=None if math.isinf(self._log_frozen) else self._log_frozen,
            runs=tuple((run.log_weight, tuple(run.log_wealth)) for run in self._live),
        )

    def resume(self, saved: SavedDetector) -> None:
        """Go on where a detector with the same bets stood; ValueError when it had another number of them."""
        for _, wealth in saved.runs:
            if len(wealth) != self.alternatives:
                raise ValueError(f"expected {self.alternatives} alternatives a run, found {len(wealth)}; begin anew")
        self._started, self._log_e = saved.started, None
        self._log_frozen = -math.inf if saved.log_frozen is None else saved.log_frozen
        self._live = [_Run(weight, list(wealth)) for weight, wealth in saved.runs]
