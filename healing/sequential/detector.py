"""E-detectors, valid at any number of observations for a change that may begin at any time, and the tests on them.

A run bets against the null hypothesis on several alternatives at once, each with its own wealth that starts at 1.
Under the null no bet is expected to win, so the mean wealth of a run is an e-process: at any stopping time its
expectation is at most 1. New runs begin again and again, run j with weight 1/(j(j+1)); the weights add up to 1, and
runs that have not begun count in the sum with value 1. So the sum is an e-process too, and the probability that it ever
reaches 1/alpha is at most alpha (Ville). A run that begins late is not diluted by a long good past.

Shin, Ramdas & Rinaldo, *E-detectors: a nonparametric framework for sequential change detection* (2023).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import ClassVar

LIVE_RUNS_MAX = 16  # the rest are frozen at their value, which keeps the sum an e-process


def log_sum(values: Sequence[float]) -> float:
    """log Σ exp(v), without overflow; -inf for no values."""
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(sum([math.exp(value - top) for value in values]))


@dataclass(slots=True)
class _Run:
    """One run of the mixture: the wealth on each alternative since it began, as a logarithm."""

    log_weight: float
    log_wealth: list[float]
    _log_e: float | None = None  # of the current wealth; None until it is computed

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
    """The state of a detector, to resume it in another process. `runs` are weight and wealth of each run, as logs."""

    started: int
    log_frozen: float | None
    runs: tuple[tuple[float, tuple[float, ...]], ...]


@dataclass(slots=True)
class EDetector:
    """Runs of one mixture over `alternatives` bets; the first run begins at once.

    >>> detector = EDetector(alternatives=2)
    >>> detector.bet([math.log(2), math.log(3)])
    >>> round(math.exp(detector.log_e), 3)  # (2 + 3) / 2 in run 1 at weight 1/2, and 1/2 for later runs
    1.75
    """

    alternatives: int
    live_max: int = LIVE_RUNS_MAX
    _started: int = 0
    _log_frozen: float = -math.inf
    _live: list[_Run] = field(default_factory=list)
    _log_e: float | None = None  # of the current bets; None until it is computed

    def __post_init__(self) -> None:
        self.restart()

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now."""
        if self._log_e is None:
            not_begun = -math.log(self._started + 1)  # Σ 1/(j(j+1)) over the runs that have not begun
            self._log_e = log_sum([not_begun, self._log_frozen, *(run.log_e for run in self._live)])
        return self._log_e

    def bet(self, log_factors: Sequence[float], times: float = 1) -> None:
        """Multiply the wealth on each alternative by exp(factor), `times` times.

        Each factor is the logarithm of a random variable whose mean, given the past, is at most 1 under the null.
        """
        if len(log_factors) != self.alternatives:
            raise ValueError(f"expected {self.alternatives} factors, found {len(log_factors)}")
        self._log_e = None
        settled = log_factors if times == 1 else [times * factor for factor in log_factors]
        for run in self._live:
            run.bet(settled)

    def restart(self) -> None:
        """Begin another run, so that evidence from now on is not diluted by earlier observations."""
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
        """Continue from the state of a detector with the same bets; ValueError when it has another number of them."""
        for _, wealth in saved.runs:
            if len(wealth) != self.alternatives:
                raise ValueError(f"expected {self.alternatives} alternatives per run, found {len(wealth)}; begin anew")
        self._started, self._log_e = saved.started, None
        self._log_frozen = -math.inf if saved.log_frozen is None else saved.log_frozen
        self._live = [_Run(weight, list(wealth)) for weight, wealth in saved.runs]


@dataclass(frozen=True, slots=True)
class SavedTest:
    """The state of a sequential test, to resume it in another process. `counts` are its own counters by name."""

    counts: Mapping[str, int | float]
    rejected: bool
    detector: SavedDetector


class SequentialTest:
    """Base of the tests on an e-detector: a test rejects its null hypothesis once the e-value has reached 1/alpha.

    A subclass names its counters in `_COUNTS`, and overrides `_settle` if it keeps observations that lower the e-value
    until the next one that can raise it: settling later misses no rejection.
    """

    _COUNTS: ClassVar[tuple[str, ...]]
    alpha: float
    _rejected: bool
    _detector: EDetector

    @property
    def threshold_log_e(self) -> float:
        return -math.log(self.alpha)

    @property
    def log_e(self) -> float:
        """Natural log of the e-value now: the evidence against the null hypothesis."""
        self._settle()
        return self._detector.log_e

    @property
    def rejected(self) -> bool:
        """Whether the e-value has ever reached 1/alpha; it never changes back."""
        return self._rejected

    def save(self) -> SavedTest:
        self._settle()
        counts = {name: getattr(self, name) for name in self._COUNTS}
        return SavedTest(counts, self._rejected, self._detector.save())

    def resume(self, saved: SavedTest) -> None:
        """Continue from the state of a test with the same parameters; ValueError when it has other counters."""
        if set(saved.counts) != set(self._COUNTS):
            raise ValueError(f"expected the counters {self._COUNTS}, found {tuple(saved.counts)}; begin anew")
        self._detector.resume(saved.detector)
        for name, count in saved.counts.items():
            setattr(self, name, count)
        self._rejected = saved.rejected

    def _bet(self, log_factors: Sequence[float]) -> None:
        """Settle a bet that can raise the e-value, and check whether it has reached 1/alpha."""
        self._detector.bet(log_factors)
        self._rejected = self._rejected or self._detector.log_e >= self.threshold_log_e

    def _settle(self) -> None:
        """Settle the bets on observations that were kept back; nothing to do by default."""


def check_alpha(alpha: float) -> None:
    """Raise ValueError unless `alpha` is an error probability."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability in (0, 1), found {alpha}")
