"""Sequential test whether a challenger's live answers concentrate in one bin of its reference answers.

A tenth of a model's answers is expected in each of its ten bins. When most of them are in one bin, its live rows differ
from its training rows: training-serving skew, or a leaked feature that live rows do not have. But the world may have
changed as well; then the champion's answers concentrate too. So for each bin two null hypotheses must be rejected:

* absolute: the bin's share of the challenger's answers is at most `tolerated` (see `absolute`);
* relative: it is at most R times the share that the champion's answers have in its own same bin and the two beside it.

The smaller of two e-values is an e-value for "at least one of the null hypotheses holds", so a bin is evidence only
where both are rejected; when the world changed need not be known. The mean over the bins is the statistic. Between arms
the relative bet is that of `relative`; where both models answered the same row (shadow), it is 1 + λ(x - Ry) with x and
y the two events, whose mean is at most 1 under the null for λ in [0, 1/R].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

from healing.sequential.bins import BINS, ReferenceBins
from healing.sequential.detector import EDetector, SavedDetector, log_sum

_BETS = 6
_PAIR_FRACTIONS = (0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # of the largest λ
_RATIOS = (1.3, 1.7, 2.2, 3.0, 4.5, 8.0)  # alternatives of the relative bet, as multiples of R
_GAPS = (0.15, 0.3, 0.45, 0.6, 0.8, 0.97)  # alternatives of the absolute bet, as parts of the way from p0 to 1
_TOLERATED_MAX = 0.95  # a bin that may get nearly all answers is no evidence
_SETTLE_EXCESS = 5  # answers in a bin above the tolerance, after which the bets are settled
_SETTLE_ANSWERS = 256  # answers after which they are settled at the latest
_RESTART_ANSWERS = 2000
_LIVE_RUNS_MAX = 4  # per detector; there are twenty detectors


@lru_cache(maxsize=64)
def _absolute_bets(tolerated: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    rates = [tolerated + gap * (1 - tolerated) for gap in _GAPS]
    return tuple(log(rate / tolerated) for rate in rates), tuple(log((1 - rate) / (1 - tolerated)) for rate in rates)


@lru_cache(maxsize=256)
def _arm_bets(ratio: float, share: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    def odds(theta: float) -> float:
        return share * theta / (1 - share + share * theta)

    against = [odds(ratio * factor) for factor in _RATIOS]
    null = odds(ratio)
    return tuple(log(p / null) for p in against), tuple(log((1 - p) / (1 - null)) for p in against)


@lru_cache(maxsize=64)
def _pair_bets(ratio: float) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Log factors when only the challenger's answer, only the champion's, and both are in the bin."""
    stakes = [fraction / ratio for fraction in _PAIR_FRACTIONS]
    return (
        tuple(log(1 + stake) for stake in stakes),
        tuple(log(1 - stake * ratio) for stake in stakes),
        tuple(log(1 + stake * (1 - ratio)) for stake in stakes),
    )


@dataclass(frozen=True, slots=True)
class SavedConcentration:
    """The state of a test, to resume it in another process."""

    answers: tuple[int, ...]
    since_restart: int
    absolute: tuple[SavedDetector, ...]
    relative: tuple[SavedDetector, ...]


class ConcentrationTest:
    """Counts answers, and settles the bets on them when a bin has more than tolerated, or after 256 answers.

    The bound holds for any times of settling. `answers` counts the challenger's settled answers by bin.
    """

    def __init__(self, challenger: ReferenceBins, champion: ReferenceBins, tolerated: float) -> None:
        if not 1 / BINS < tolerated < 1:
            raise ValueError(
                f"expected a tolerated share above 0.1, which each bin gets, and below 1, found {tolerated}"
            )
        self.bins = challenger
        self.answers = [0] * BINS
        self._place_challenger, self._place_champion = challenger.place, champion.place
        shares = [challenger.expected_share(place) for place in range(BINS)]
        self.tolerated = [share + tolerated - 1 / BINS for share in shares]
        beside = [sum(champion.expected_share(near) for near in _beside(place)) for place in range(BINS)]
        self._ratios = [
            max(1.0, allowed / max(near, 1 / BINS)) for allowed, near in zip(self.tolerated, beside, strict=True)
        ]
        self._absolute = [EDetector(_BETS, _LIVE_RUNS_MAX) for _ in range(BINS)]
        self._relative = [EDetector(_BETS, _LIVE_RUNS_MAX) for _ in range(BINS)]
        self._since_restart = 0
        self._forget_pending()

    @property
    def log_e(self) -> float:
        """Natural log of the e-value when the bets were last settled."""
        return log_sum([self._log_e_of(place) for place in range(BINS)]) - log(BINS)

    @property
    def fullest(self) -> int:
        """The bin with the most evidence against it."""
        return max(range(BINS), key=self._log_e_of)

    def observe(self, challenger: bool, answer: float, share: float) -> bool:
        """Take one answer to a randomised request; returns whether the bets were settled."""
        if not challenger:
            self._champion[self._place_champion(answer)] += 1
            return False
        place = self._place_challenger(answer)
        self._challenger[place] += 1
        self._pending += 1
        if self._is_due(place):
            self.settle(share)
            return True
        return False

    def observe_pair(self, answer: float, given: float) -> bool:
        """Take the challenger's answer and the one that the client got; returns whether the bets were settled."""
        place = self._place_challenger(answer)
        self._challenger[place] += 1
        self._pairs[place][self._place_champion(given)] += 1
        self._pending += 1
        if self._is_due(place):
            self.settle(1.0)
            return True
        return False

    def settle(self, share: float) -> None:
        """Settle the bets on all answers since the last time; they were taken at traffic share `share`."""
        for place, allowed in enumerate(self.tolerated):
            if allowed < _TOLERATED_MAX:
                self._settle_absolute(place, allowed)
                self._settle_pairs(place)
                if 0 < share < 1:
                    self._settle_arms(place, share)
        self.answers = [old + new for old, new in zip(self.answers, self._challenger, strict=True)]
        self._since_restart += self._pending
        self._forget_pending()
        if self._since_restart >= _RESTART_ANSWERS:
            self.restart()

    def restart(self) -> None:
        """Begin another run of every bet; call `settle` first."""
        for detector in (*self._absolute, *self._relative):
            detector.restart()
        self._since_restart = 0

    def save(self) -> SavedConcentration:
        """The settled state; call `settle` first."""
        return SavedConcentration(
            answers=tuple(self.answers),
            since_restart=self._since_restart,
            absolute=tuple(detector.save() for detector in self._absolute),
            relative=tuple(detector.save() for detector in self._relative),
        )

    def resume(self, saved: SavedConcentration) -> None:
        """Continue from the state of a test with the same bins and tolerance."""
        self.answers = list(saved.answers)
        self._since_restart = saved.since_restart
        for detector, state in zip(self._absolute, saved.absolute, strict=True):
            detector.resume(state)
        for detector, state in zip(self._relative, saved.relative, strict=True):
            detector.resume(state)

    def _log_e_of(self, place: int) -> float:
        return min(self._absolute[place].log_e, self._relative[place].log_e)

    def _is_due(self, place: int) -> bool:
        pending = self._pending
        return self._challenger[place] >= _SETTLE_EXCESS + self.tolerated[place] * pending or pending >= _SETTLE_ANSWERS

    def _forget_pending(self) -> None:
        self._pending = 0
        self._challenger = [0] * BINS
        self._champion = [0] * BINS
        self._pairs = [[0] * BINS for _ in range(BINS)]

    def _settle_absolute(self, place: int, allowed: float) -> None:
        on_event, on_none = _absolute_bets(allowed)
        events = self._challenger[place]
        self._absolute[place].bet(on_event, events)
        self._absolute[place].bet(on_none, self._pending - events)

    def _settle_arms(self, place: int, share: float) -> None:
        on_challenger, on_champion = _arm_bets(self._ratios[place], share)
        self._relative[place].bet(on_challenger, self._challenger[place])
        self._relative[place].bet(on_champion, sum(self._champion[near] for near in _beside(place)))

    def _settle_pairs(self, place: int) -> None:
        near = _beside(place)
        both = sum(self._pairs[place][other] for other in near)
        alone = sum(self._pairs[place]) - both
        champion_alone = sum(row[other] for row in self._pairs for other in near) - both
        for bets, times in zip(_pair_bets(self._ratios[place]), (alone, champion_alone, both), strict=True):
            self._relative[place].bet(bets, times)


def _beside(place: int) -> Sequence[int]:
    """The bin and its neighbours."""
    return range(max(place - 1, 0), min(place + 2, BINS))
