"""Sequential test of the challenger's event rate: relative to the champion where both answer, else absolute."""

from dataclasses import dataclass
from math import log

from healing.sequential.absolute import AbsoluteRateTest
from healing.sequential.detector import SavedTest, log_sum
from healing.sequential.relative import RelativeRateTest

# Weights of the two, fixed before the trial because its stages are not known. Most trials run beside a champion.
_LOG_RELATIVE, _LOG_ABSOLUTE = log(0.9), log(0.1)


@dataclass(frozen=True, slots=True)
class SavedRate:
    """The state of a test, to resume it in another process."""

    relative: SavedTest
    absolute: SavedTest


class RateTest:
    """The weighted mean of a relative and an absolute e-process; each stays constant while the other is fed.

    `alpha` is for the two together. Traffic shares between 0 and 1 feed the relative one, all others the absolute one.
    """

    def __init__(self, alpha: float, tolerated_ratio: float, tolerated_rate: float) -> None:
        self.relative = RelativeRateTest(alpha, tolerated_ratio)
        self.absolute = AbsoluteRateTest(alpha, tolerated_rate)

    @property
    def log_e(self) -> float:
        return log_sum([_LOG_RELATIVE + self.relative.log_e, _LOG_ABSOLUTE + self.absolute.log_e])

    @property
    def events(self) -> int:
        """The challenger's events."""
        return self.relative.challenger + self.absolute.events

    def pass_over(self, challenger: bool, beside: bool) -> None:
        """Take one request without an event."""
        if beside:
            self.relative.observe_quiet(1)
        elif challenger:
            self.absolute.observe_quiet(1)

    def restart(self) -> None:
        self.relative.restart()
        self.absolute.restart()

    def save(self) -> SavedRate:
        return SavedRate(self.relative.save(), self.absolute.save())

    def resume(self, saved: SavedRate) -> None:
        """Continue from the state of a test with the same tolerances."""
        self.relative.resume(saved.relative)
        self.absolute.resume(saved.absolute)
