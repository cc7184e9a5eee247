"""Rules of an A/B test. The release log holds them beside the challenger, and they stay fixed until the trial ends."""

import math
from dataclasses import dataclass
from enum import StrEnum

LOSS = "loss"  # the outcome that needs no feedback by name: the loss of the served prediction, once its label is known
CLIENTS_MIN = 20  # per arm; before that, neither a decision nor an estimate of the days


class Better(StrEnum):
    """Which direction of the outcome is an improvement."""

    HIGHER = "higher"
    LOWER = "lower"


class Ends(StrEnum):
    """Who ends an A/B test before its time is over."""

    BY_PERSON = "by_person"
    WHEN_DECIDED = "when_decided"  # a better challenger is promoted; one that is worse or no different is aborted


@dataclass(frozen=True, slots=True)
class ABRules:
    """What is measured per client, and what ends the test.

    The outcome of a client is the mean over the rows that it requests within `client_seconds` of its first request.
    Values that arrive later than `outcome_seconds` after that do not count. A row without a value has the value
    `absent`; where that is None it is missing, and may be anything in [`low`, `high`]. `effect_min` is the smallest
    improvement that matters; None where every improvement does. Over all looks, `alpha` bounds the probability that the
    interval ever misses the true difference.
    """

    outcome: str
    low: float
    high: float
    better: Better = Better.HIGHER
    absent: float | None = None
    effect_min: float | None = None
    ends: Ends = Ends.BY_PERSON
    seconds_max: float = 28 * 86_400.0
    client_seconds: float = 86_400.0
    outcome_seconds: float = 86_400.0
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"expected finite bounds low < high of {self.outcome!r}, found {self.low}, {self.high}")
        if self.absent is not None and not self.low <= self.absent <= self.high:
            raise ValueError(f"expected absent in [{self.low}, {self.high}], found {self.absent}")
        if self.effect_min is not None and not 0 < self.effect_min < self.high - self.low:
            raise ValueError(f"expected effect_min between 0 and {self.high - self.low}, found {self.effect_min}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"expected alpha in (0, 1), found {self.alpha}")
        if min(self.seconds_max, self.client_seconds, self.outcome_seconds) < 0:
            raise ValueError("expected seconds that are not negative")

    @property
    def settle_seconds(self) -> float:
        """Seconds from a client's first request until its outcome counts and does not change any more."""
        return self.client_seconds + self.outcome_seconds
