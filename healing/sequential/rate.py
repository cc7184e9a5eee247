"""How often something befalls the challenger: beside the champion where both answer, against a fixed rate where not."""

from dataclasses import dataclass
from math import log

from healing.sequential.absolute import AbsoluteRateTest, SavedAbsolute
from healing.sequential.detector import log_sum
from healing.sequential.relative import RelativeRateTest, SavedRelative

# Fixed beforehand, since the stages to come are not known. Most trials spend their time beside a champion.
_LOG_RELATIVE, _LOG_ABSOLUTE = log(0.9), log(0.1)


@dataclass(frozen=True, slots=True)
class SavedRate:
    """All that a test knows, to go on with it in another process."""

    relative: SavedRelative
    absolute: SavedAbsolute


class RateTest:
    """The weighted mean of a relative and an absolute e-process; each rests while the other is fed.

    `alpha` is for the two together. A share of traffic between 0 and 1 feeds the relative one, all else the absolute.
    """

    def __init__(self, alpha: float, tolerated_ratio: float, tolerated_rate: float) -> None:
        self.relative = RelativeRateTest(alpha, tolerated_ratio)
        self.absolute = AbsoluteRateTest(alpha, tolerated_rate)

    @property
    def log_e(self) -> float:
        return log_sum([_LOG_RELATIVE + self.relative.log_e, _LOG_ABSOLUTE + self.absolute.log_e])

    @property
    def events(self) -> int:
        """How often it befell the challenger."""
        return self.relative.challenger + self.absolute.events

    def pass_over(self, challenger: bool, beside: bool) -> None:
        """Take one request that it did not befall."""
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
        """Go on where a test with the same tolerances stood."""
        self.relative.resume(saved.relative)
        self.absolute.resume(saved.absolute)
