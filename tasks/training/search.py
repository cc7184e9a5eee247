"""A small, bounded search for an estimator's parameters: successive halving over splits in the order of time.

Many settings are tried with little of a resource (rows, or the number of trees), the best third goes on with three
times as much (Jamieson & Talwalkar 2016, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*).
Candidates, splits and scores are scikit-learn's. Only the loop is ours: a search of theirs cannot be bounded in time.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from healing.clustered import DaySum, clustered_mean
from healing.errors import ConfigError
from tasks.config.retrain_section import ROWS, Range, Search
from tasks.evaluation.scores import by_day

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to learn from, rows to test on

log = structlog.get_logger(__name__)

FACTOR = 3  # of the settings in a round one in so many goes on, with so many times the resource
FOLDS = 2  # each fold's test days are later than all days it learns from
DAYS_MIN = 6  # below, the folds' test days are too few to tell settings apart

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """What settings are tried on: inputs, targets and days row for row, and the loss of answers against targets."""

    inputs: "pd.DataFrame"
    targets: "pd.Series[Any]"
    days: "pd.Series[Any]"
    loss: Callable[["NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float64]"]
    answers: Callable[[Any, "pd.DataFrame"], "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A setting's loss on the folds' test days with a share of the resource; no days where it could not be fitted."""

    parameters: Parameters
    share: float
    days: tuple[DaySum, ...]

    @property
    def loss(self) -> float | None:
        """Mean a row; None where there is none."""
        rows, total = sum(day.rows for day in self.days), sum(day.total for day in self.days)
        return total / rows if rows and math.isfinite(total) else None


@dataclass(frozen=True, slots=True)
class Found:
    """The parameters that did best (none: the estimator as written), and all that was tried, in order.

    `cut_short` when the time was up: another machine might have found something else.
    """

    parameters: Parameters
    tried: tuple[Tried, ...]
    seconds: float
    cut_short: bool


def search(
    build: Callable[[], Any], ground: Ground, rules: Search, seed: int, clock: Callable[[], float] = time.monotonic
) -> Found:
    """Search around the estimator that `build` makes. The same arguments find the same unless the time runs out.

    The estimator as written takes part in every round, and what is found beat it in the last one by more than a
    standard error over days (Breiman et al. 1984 choose among trees so): the best of several is lucky too. ConfigError
    for a parameter that it does not have.
    """
    began = clock()
    written: Parameters = {}
    _check_parameters(build(), rules)
    if ground.days.nunique() < DAYS_MIN:
        return Found(written, (), 0.0, cut_short=False)
    folds = _folds(ground.days)
    alive, tried, best = [written, *_candidates(rules, seed)], list[Tried](), written
    for share in _shares(len(alive), rules.share_max):
        scored = list[Tried]()
        for parameters in alive:
            if clock() - began >= rules.seconds_max:
                log.warning("search_cut_short", seconds_max=rules.seconds_max, tried=len(tried) + len(scored))
                return Found(best, (*tried, *scored), clock() - began, cut_short=True)
            scored.append(_try(build, ground, folds, rules.resource, parameters, share, seed))
        tried += scored
        ranked = sorted(scored, key=_mean_loss)  # stable: the written one comes first and wins a tie
        best = ranked[0].parameters if _stands_out(ranked[0], scored[0]) else written
        alive = [written, *(each.parameters for each in ranked if each.parameters and each.days)][
            : 1 + max(1, len(alive) // FACTOR)
        ]
    found = Found(best, tuple(tried), clock() - began, cut_short=False)
    log.info("search_finished", found=dict(found.parameters), fits=len(tried) * FOLDS, seconds=round(found.seconds, 2))
    return found


def _mean_loss(tried: Tried) -> float:
    return math.inf if tried.loss is None else tried.loss


def _stands_out(best: Tried, written: Tried) -> bool:
    """Whether it gains more than a standard error over days on the written one."""
    if not best.days or not written.days:
        return bool(best.days)
    pairs = zip(written.days, best.days, strict=True)
    gain = clustered_mean([DaySum(before.rows, before.total - after.total) for before, after in pairs])
    return gain.value > gain.standard_error


def _shares(candidates: int, share_max: float) -> list[float]:
    """The share of the resource in each round, up to `share_max` in the last."""
    rounds = max(1, math.ceil(math.log(candidates, FACTOR) - 1e-9))
    return [share_max / FACTOR**left for left in reversed(range(rounds))]


def _candidates(rules: Search, seed: int) -> list[Parameters]:
    """Settings to try besides the written one: all of a small grid, else draws (without repetition from a grid)."""
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    wanted = rules.candidates_max - 1
    spread = {
        name: _spread(values) if isinstance(values, Range) else list(values)
        for name, values in sorted(rules.parameters.items())
    }
    if not any(isinstance(values, Range) for values in rules.parameters.values()):
        wanted = min(wanted, len(ParameterGrid(spread)))
    drawn = ParameterSampler(spread, wanted, random_state=seed)
    return [{name: value.item() if hasattr(value, "item") else value for name, value in each.items()} for each in drawn]


def _spread(values: Range) -> Any:
    """A distribution over the range that scikit-learn can draw from."""
    from scipy import stats

    if values.scale == "log":
        factors = stats.loguniform(values.low, values.high)
        return _Whole(factors) if values.is_whole else factors
    if values.is_whole:
        return stats.randint(values.low, values.high + 1)
    return stats.uniform(values.low, values.high - values.low)


class _Whole:
    """Draws of another distribution, rounded to whole numbers."""

    def __init__(self, draws: Any) -> None:
        self._draws = draws

    def rvs(self, random_state: Any) -> int:
        return round(float(self._draws.rvs(random_state=random_state)))


def _check_parameters(estimator: Any, rules: Search) -> None:
    known = estimator.get_params(deep=True)
    wanted = [*rules.parameters, *([] if rules.resource == ROWS else [rules.resource])]
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"retrain.search names parameter {name!r}, which the estimator does not have; it has "
                f"{', '.join(sorted(known))}"
            )
    if rules.resource != ROWS and not isinstance(known[rules.resource], int):
        raise ConfigError(
            f"retrain.search.resource {rules.resource!r} should be a whole number of the estimator, found "
            f"{known[rules.resource]!r}; use rows"
        )


def _try(
    build: Callable[[], Any],
    ground: Ground,
    folds: Sequence["Fold"],
    resource: str,
    parameters: Parameters,
    share: float,
    seed: int,
) -> Tried:
    """Fit and score one setting on every fold. One that the estimator refuses has lost; the search goes on."""
    days: tuple[DaySum, ...] = ()
    for learned, tested in folds:
        estimator = build().set_params(**parameters)
        rows = learned
        if resource == ROWS:
            rows = _sample(learned, share, seed)
        else:
            whole = estimator.get_params()[resource]
            estimator.set_params(**{resource: max(1, round(share * whole))})
        try:
            estimator.fit(ground.inputs.iloc[rows], ground.targets.iloc[rows])
            answers = ground.answers(estimator, ground.inputs.iloc[tested])
        except ValueError as exc:
            log.warning("setting_refused", parameters=dict(parameters), cause=str(exc)[:200])
            return Tried(parameters, share, ())
        losses = ground.loss(answers, ground.targets.iloc[tested].to_numpy(dtype="float64"))
        days += by_day(ground.days.iloc[tested], losses)
    return Tried(parameters, share, days)


def _folds(days: "pd.Series[Any]") -> Sequence["Fold"]:
    """Rows to learn from and rows to test on, whole days each, in the order of time."""
    import numpy as np
    from sklearn.model_selection import TimeSeriesSplit

    order = np.sort(days.unique())
    place = np.searchsorted(order, days.to_numpy())
    splits = TimeSeriesSplit(n_splits=FOLDS, test_size=max(1, len(order) // (2 * FOLDS + 1))).split(order)
    return [
        (np.flatnonzero(place <= learned[-1]), np.flatnonzero((place >= tested[0]) & (place <= tested[-1])))
        for learned, tested in splits
    ]


def _sample(rows: "NDArray[np.intp]", share: float, seed: int) -> "NDArray[np.intp]":
    """A share of the rows, the same for every setting of a round, in the order of time."""
    import numpy as np

    if share >= 1:
        return rows
    chosen = np.random.default_rng(seed).choice(rows, max(1, round(share * len(rows))), replace=False)
    return np.sort(chosen)
