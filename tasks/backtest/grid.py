"""Losses of the models trained on a grid of days, prices of a retrain, and the policies that need no other model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from tasks.backtest.cara import Staleness, cara, newest_staleness, summed_staleness
from tasks.backtest.fits import FitKey
from tasks.backtest.optimum import Schedule, optimal_schedules, price_max
from tasks.backtest.policies import PolicyRun, first_fit, on_grid
from tasks.backtest.scoring import Scoring

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRICE_RANGE = 1_000  # highest price over lowest; each factor of ten has the same weight in the area under the curve
PRICED_RUNS = 4  # a policy that knows the price is replayed at one price per factor of ten
_STALENESS: dict[str, Staleness] = {"cara_threshold": newest_staleness, "cara_cumulative": summed_staleness}
CARA = tuple(_STALENESS)
RANDOM = "random"
_SEED = 20130101


@dataclass(frozen=True)
class Grid:
    """Blocks of days of the period: block 0 begins with the first model, block i after the fit `keys[i - 1]`."""

    scoring: Scoring
    keys: tuple[FitKey, ...]

    @cached_property
    def losses(self) -> "NDArray[np.float64]":
        """Total loss of each fit on each block, see `Scoring.block_losses`."""
        return self.scoring.block_losses(first_fit(self.scoring.fits, self.scoring.period), self.keys)

    @cached_property
    def schedules(self) -> tuple[Schedule, ...]:
        """The offline-optimal schedule for each number of retrains."""
        return optimal_schedules(self.losses)

    def prices(self, count: int) -> "NDArray[np.float64]":
        """Prices of a retrain on a logarithmic scale; at the highest one, no schedule pays."""
        import numpy as np

        highest = max(price_max(self.schedules), np.finfo(float).tiny)
        return np.geomspace(highest / PRICE_RANGE, highest, count)

    def cara(self, name: str) -> tuple[PolicyRun, ...]:
        """A variant of CARA at each of `PRICED_RUNS` prices."""
        rows = self.scoring.block_rows(self.keys)
        prices = self.prices(PRICED_RUNS)
        return tuple(self.run(cara(self.losses, rows, float(price), _STALENESS[name])) for price in prices)

    def random(self, retrains: int, seed: int = _SEED) -> PolicyRun:
        """As many retrains as a schedule has, before blocks that are drawn at random."""
        blocks = range(1, len(self.keys) + 1)
        return self.run(Random(seed).sample(blocks, min(retrains, len(blocks))))  # noqa: S311 - no secret

    def run(self, blocks: Sequence[int]) -> PolicyRun:
        """A retrain before each of the blocks, served unchecked."""
        return on_grid(self.scoring.fits, self.scoring.period, self.keys, blocks)
