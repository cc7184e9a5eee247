"""Search for an estimator's parameters, bounded in time: successive halving over splits in time order.

Many parameter combinations are tried with little of a resource (rows, or the number of trees). The best third
continues with three times as much (Jamieson & Talwalkar 2016, *Non-stochastic Best Arm Identification and
Hyperparameter Optimization*). Candidates and splits are scikit-learn's; the loop is our own, because no library's
search is bounded in time, keeps the estimator as written in every round, and compares by day
(docs/decisions/0066-search-and-latency.md).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from tasks.config.retrain_section import ROWS, Search
from tasks.evaluation.clustered import DaySum, clustered_mean
from tasks.evaluation.scores import by_day
from tasks.training.latency import Latency
from tasks.training.search_space import Parameters, check_parameters, draw_candidates

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # positions of the rows to fit on, and of the rows to score

log = structlog.get_logger(__name__)

FACTOR = 3  # one in FACTOR combinations continues, with FACTOR times the resource
FOLDS = 2  # the scored days of each fold are later than all days that it fits on
DAYS_MIN = 6  # with fewer days the folds have too few days to compare combinations


@dataclass(frozen=True, slots=True)
class SearchData:
    """Inputs, targets and days of the rows to search on, the loss per row, and how an estimator predicts.

    `latency` measures a fitted estimator; without it, no combination has a latency.
    """

    inputs: "pd.DataFrame"
    targets: "pd.Series[Any]"
    days: "pd.Series[Any]"
    loss: Callable[["NDArray[np.float64]", "NDArray[np.float64]"], "NDArray[np.float64]"]
    predict: Callable[[Any, "pd.DataFrame"], "NDArray[np.float64]"]
    latency: Callable[[Any], Latency | None] | None = None


@dataclass(frozen=True, slots=True)
class ScoredParameters:
    """Loss of one combination on the scored days, with a share of the resource. `days` is empty if no fit succeeded.

    `latency` is that of the last fit, None where it was not measured.
    """

    parameters: Parameters
    share: float
    days: tuple[DaySum, ...]
    latency: Latency | None = None

    @property
    def loss(self) -> float | None:
        """Mean loss per row; None if no fit succeeded."""
        rows, total = sum(day.rows for day in self.days), sum(day.total for day in self.days)
        return total / rows if rows and math.isfinite(total) else None

    def is_within(self, latency_ms_max: float | None) -> bool:
        """Whether it is fast enough: without a budget or a latency, everything is."""
        return latency_ms_max is None or self.latency is None or self.latency.ms <= latency_ms_max


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best parameters (empty: the estimator as written) and everything that was scored, in order.

    `cut_short` means that the time ran out: a faster machine might find other parameters. Combinations over
    `latency_ms_max` did not continue.
    """

    parameters: Parameters
    scored: tuple[ScoredParameters, ...]
    seconds: float
    cut_short: bool
    latency_ms_max: float | None = None


def search(
    build: Callable[[], Any], rows: SearchData, rules: Search, seed: int, clock: Callable[[], float] = time.monotonic
) -> SearchResult:
    """Search around the estimator that `build` returns. Equal arguments give equal results unless the time runs out.

    The estimator as written takes part in every round. Other parameters replace it only if they beat it in the last
    finished round by more than one standard error over days (the rule of Breiman et al. 1984 for choosing among
    trees), because the best of several is also the luckiest. A combination over `rules.latency_ms_max` does not
    continue; where the estimator as written is one, the best of the others replaces it. ConfigError for a parameter
    that the estimator lacks.
    """
    started = clock()
    as_written: Parameters = {}
    check_parameters(build(), rules)
    budget = rules.latency_ms_max
    if rows.days.nunique() < DAYS_MIN:
        return SearchResult(as_written, (), 0.0, cut_short=False, latency_ms_max=budget)
    folds = time_folds(rows.days)
    alive, scored, best = [as_written, *draw_candidates(rules, seed)], list[ScoredParameters](), as_written
    for share in _round_shares(len(alive), rules.share_max):
        round_ = _Round(build, rows, folds, rules.resource, share, seed)
        current = list[ScoredParameters]()
        for parameters in alive:
            if clock() - started >= rules.seconds_max:
                log.warning("search_cut_short", seconds_max=rules.seconds_max, scored=len(scored) + len(current))
                return SearchResult(best, (*scored, *current), clock() - started, True, budget)
            current.append(round_.score(parameters))
        scored += current
        best, alive = _select(current, budget)
    found = SearchResult(best, tuple(scored), clock() - started, cut_short=False, latency_ms_max=budget)
    log.info("search_finished", found=dict(best), fits=len(scored) * FOLDS, seconds=round(found.seconds, 2))
    return found


def _select(
    scored: Sequence[ScoredParameters], latency_ms_max: float | None = None
) -> tuple[Parameters, list[Parameters]]:
    """The best parameters of a round, and those that continue: the estimator as written, and the best third.

    What is over the budget neither wins nor continues. Without anything within it, the estimator as written remains.
    """
    within = [each for each in scored if each.is_within(latency_ms_max)]
    as_written = [each for each in within if not each.parameters]
    ranked = sorted(within, key=_mean_loss)  # stable, so the estimator as written wins a tie
    others = [each.parameters for each in ranked if each.parameters and each.days]
    continuing = [*(each.parameters for each in as_written), *others][: 1 + max(1, len(scored) // FACTOR)]
    if not as_written:
        return (others[0] if others else {}), continuing
    best = ranked[0] if _beats(ranked[0], as_written[0]) else as_written[0]
    return best.parameters, continuing


def _mean_loss(scored: ScoredParameters) -> float:
    return math.inf if scored.loss is None else scored.loss


def _beats(best: ScoredParameters, as_written: ScoredParameters) -> bool:
    """Whether `best` gains more than one standard error over days on the estimator as written."""
    if not best.days or not as_written.days:
        return bool(best.days)
    pairs = zip(as_written.days, best.days, strict=True)
    gain = clustered_mean([DaySum(before.rows, before.total - after.total) for before, after in pairs])
    return gain.value > gain.standard_error


def _round_shares(candidates: int, share_max: float) -> list[float]:
    """Share of the resource in each round; the last round has `share_max`."""
    rounds = max(1, math.ceil(math.log(candidates, FACTOR) - 1e-9))
    return [share_max / FACTOR**left for left in reversed(range(rounds))]


@dataclass(frozen=True, slots=True)
class _Round:
    """One round of the search: the folds, and the share of the resource that every combination gets."""

    build: Callable[[], Any]
    rows: SearchData
    folds: Sequence["Fold"]
    resource: str
    share: float
    seed: int

    def score(self, parameters: Parameters) -> ScoredParameters:
        """Fit and score one combination on every fold. If the estimator refuses it, it has no score."""
        days: tuple[DaySum, ...] = ()
        estimator: Any = None
        for fitted, scored in self.folds:
            try:
                estimator = self._fit(parameters, fitted)
                predictions = self.rows.predict(estimator, self.rows.inputs.iloc[scored])
            except ValueError as exc:
                log.warning("parameters_refused", parameters=dict(parameters), cause=str(exc)[:200])
                return ScoredParameters(parameters, self.share, ())
            losses = self.rows.loss(predictions, self.rows.targets.iloc[scored].to_numpy(dtype="float64"))
            days += by_day(self.rows.days.iloc[scored], losses)
        latency = None if self.rows.latency is None else self.rows.latency(estimator)
        return ScoredParameters(parameters, self.share, days, latency)

    def _fit(self, parameters: Parameters, fitted: "NDArray[np.intp]") -> Any:
        estimator = self.build().set_params(**parameters)
        if self.resource == ROWS:
            fitted = _sample(fitted, self.share, self.seed)
        else:
            amount = round(self.share * estimator.get_params()[self.resource])
            estimator.set_params(**{self.resource: max(1, amount)})
        estimator.fit(self.rows.inputs.iloc[fitted], self.rows.targets.iloc[fitted])
        return estimator


def time_folds(days: "pd.Series[Any]") -> Sequence["Fold"]:
    """Positions of the rows to fit on and to score, split by whole days in time order."""
    import numpy as np
    from sklearn.model_selection import TimeSeriesSplit

    order = np.sort(days.unique())
    place = np.searchsorted(order, days.to_numpy())
    splits = TimeSeriesSplit(n_splits=FOLDS, test_size=max(1, len(order) // (2 * FOLDS + 1))).split(order)
    return [
        (np.flatnonzero(place <= fitted[-1]), np.flatnonzero((place >= scored[0]) & (place <= scored[-1])))
        for fitted, scored in splits
    ]


def _sample(rows: "NDArray[np.intp]", share: float, seed: int) -> "NDArray[np.intp]":
    """A random share of the rows in time order; equal for all combinations of a round."""
    import numpy as np

    if share >= 1:
        return rows
    chosen = np.random.default_rng(seed).choice(rows, max(1, round(share * len(rows))), replace=False)
    return np.sort(chosen)
