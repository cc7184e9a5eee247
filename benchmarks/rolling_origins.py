"""Whether comparisons at several past origins decide better about a candidate than the newest held-out days alone.

    python -m benchmarks.rolling_origins [--quick]

A generated quantity depends linearly on five inputs, with one random effect per day. Champion and candidate are linear
recipes; the champion's data are 14 days older. At each origin both recipes are fitted on the days before it, the
champion's with the same age as now, and compared on the 14 days after it; the daily gains of all origins are pooled and
judged by the rule of `retrain`. This assumes that a difference between the recipes is the same at all origins. A
minute, seconds with --quick.
"""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.result import Figure, Result, keep
from tasks.evaluation.clustered import DaySum
from tasks.training.comparison import ComparisonOutcome, ComparisonRule, compare_no_worse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAYS, ROWS_PER_DAY, INPUTS = 140, 100, 5
LOOKBACK, HOLDOUT, AGE = 63, 14, 14
DAY_EFFECT = 0.3  # standard deviation; that of a row's noise is 1
ORIGINS = (1, 2, 4)
RULE = ComparisonRule(rows_min=500, measure="squared error", tolerated=0.001)


@dataclass(frozen=True)
class Case:
    """One kind of candidate: whether it is good, the weight of the input that it lacks, and how the world changes.

    `drift` is the change of the first weight per day, `jump_days` the days since it jumped by 1 (0: never).
    """

    good: bool
    lacks: float = 0.0
    drift: float = 0.0
    jump_days: int = 0


CASES = {
    "renewal_in_a_stable_world": Case(good=True),
    "renewal_under_gradual_drift": Case(good=True, drift=0.01),
    "renewal_after_a_jump": Case(good=True, jump_days=HOLDOUT + 7),
    "recipe_worse_by_half_a_percent": Case(good=False, lacks=0.08),
    "recipe_worse_by_one_percent": Case(good=False, lacks=0.11),
    "recipe_worse_by_three_percent": Case(good=False, lacks=0.19),
}


@dataclass(frozen=True)
class World:
    """Inputs of shape (days, rows, inputs) and labels of shape (days, rows)."""

    inputs: "NDArray[np.float64]"
    labels: "NDArray[np.float64]"

    @classmethod
    def drawn(cls, case: Case, seed: int) -> "World":
        import numpy as np

        random = np.random.default_rng(seed)
        inputs = random.normal(size=(DAYS, ROWS_PER_DAY, INPUTS))
        weights = np.tile([0.5, 0.5, 0.5, 0.5, case.lacks], (DAYS, 1))
        weights[:, 0] += case.drift * np.arange(DAYS)
        if case.jump_days:
            weights[-case.jump_days :, 0] += 1
        noise = random.normal(size=(DAYS, ROWS_PER_DAY)) + DAY_EFFECT * random.normal(size=(DAYS, 1))
        return cls(inputs, np.einsum("dri,di->dr", inputs, weights) + noise)

    def losses(self, until: int, origin: int, columns: int) -> "NDArray[np.float64]":
        """Squared errors, in variances, on the held-out days after `origin` of a fit on the days before `until`."""
        import numpy as np

        since = max(0, until - LOOKBACK)
        learned = self.inputs[since:until, :, :columns].reshape(-1, columns)
        weights, *_ = np.linalg.lstsq(learned, self.labels[since:until].ravel(), rcond=None)
        after = slice(origin, origin + HOLDOUT)
        errors = self.labels[after] - self.inputs[after, :, :columns] @ weights
        squared: NDArray[np.float64] = errors**2 / self.labels[since:until].var()
        return squared


def accepted(world: World, case: Case, origins: int) -> bool:
    """Whether the candidate is not significantly worse on the held-out days of the newest `origins` origins."""
    columns = INPUTS if case.good else INPUTS - 1
    gains = []
    for number in range(origins):
        origin = DAYS - HOLDOUT * (number + 1)
        champion = world.losses(origin + HOLDOUT - AGE, origin, INPUTS)
        candidate = world.losses(origin, origin, columns)
        gains += [DaySum(ROWS_PER_DAY, float(day)) for day in (champion - candidate).sum(axis=1)]
    (found,) = compare_no_worse("the champion", {"": gains}, RULE)
    return found.outcome is not ComparisonOutcome.WORSE


def run(seeds: int) -> Result:
    """The share of wrong decisions per case and number of origins."""
    figures: dict[str, Figure] = {"seeds": seeds}
    for name, case in CASES.items():
        worlds = [World.drawn(case, seed) for seed in range(seeds)]
        for origins in ORIGINS:
            wrong = sum(accepted(world, case, origins) is not case.good for world in worlds)
            kind = "refused" if case.good else "accepted"
            figures[f"{name}_{origins}_origins_{kind}_share"] = round(wrong / seeds, 3)
    return Result(name="rolling_origins", figures=figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="use 30 seeds instead of 400")
    keep(run(30 if parser.parse_args().quick else 400))


if __name__ == "__main__":
    main()
