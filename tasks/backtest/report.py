"""The result of a backtest: what each policy did and cost, and the offline-optimal schedule."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from tasks.backtest.grid import CARA, RANDOM, Grid
from tasks.backtest.optimum import Schedule
from tasks.backtest.policies import PolicyRun
from tasks.backtest.scoring import Scoring
from tasks.evaluation.clustered import clustered_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRICES = 41  # points of a cost curve
WEEK = 7
ALPHA = 0.05  # of each side of an interval


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Interval(_Document):
    """A mean per row with its 90 % interval; days are clusters."""

    mean: float
    lower: float
    upper: float

    @property
    def excludes_zero(self) -> bool:
        return self.lower > 0 or self.upper < 0


class PolicyResult(_Document):
    """What one policy did. Losses are per row, `costs` per row at each price of the report.

    What a policy that knows the price did is that at the lowest price, but for its costs and `retrains_at_prices`.
    `promoted_on` are the first days of all models but the first, `returned_on` those of earlier champions among them.
    `more_than_configured` is the loss minus that of the configured policy; None for that policy itself.
    """

    name: str
    title: str
    loss: float
    more_than_configured: Interval | None
    retrains: int
    promotions: int
    returns: int
    wrong_promotions: int
    cost_area: float
    cost_area_over_optimum: float
    trained_on: tuple[date, ...]
    promoted_on: tuple[date, ...]
    returned_on: tuple[date, ...]
    wrong_on: tuple[date, ...]
    costs: tuple[float, ...]
    retrains_at_prices: tuple[int, ...]
    losses_by_week: tuple[float | None, ...]

    @property
    def retrains_shown(self) -> str:
        """The retrains at the highest and at the lowest price; one number where they are equal."""
        fewest = self.retrains_at_prices[-1]
        return str(self.retrains) if fewest == self.retrains else f"{fewest} to {self.retrains}"


class Optimum(_Document):
    """The offline-optimal schedule at each price: its cost per row and its retrains; `loss` is that of the best of all.

    `retrains_free` are the retrains of the schedule with that loss, the best one where a retrain costs nothing.
    """

    loss: float
    retrains_free: int
    cost_area: float
    costs: tuple[float, ...]
    retrains: tuple[int, ...]
    grid_days: int


class BacktestReport(_Document):
    """A whole backtest. `rows` are the labelled rows of the period, of which `scored_rows` were scored.

    A price is what one retrain costs, in units of the loss times rows. The highest is the one above which no schedule
    pays, the lowest a thousandth of it; a cost area is the mean cost per row over them.
    """

    pipeline: str
    measure: str
    unit: str
    first_day: date
    last_day: date
    rows: int
    scored_rows: int
    configured: str
    every_days: int
    prices: tuple[float, ...]
    weeks: tuple[date, ...]
    policies: tuple[PolicyResult, ...]
    optimum: Optimum
    suggestion: str

    def policy(self, name: str) -> PolicyResult:
        """The result of the policy of that name."""
        return next(each for each in self.policies if each.name == name)


def title_of(name: str, every_days: int) -> str:
    """The policy's title in the table and on the page."""
    cara_threshold, cara_cumulative = CARA
    titles = {
        "never": "never",
        RANDOM: "random days, unchecked",
        "every_alarm": "every drift alarm, unchecked",
        "adwin": "every change by ADWIN, unchecked",
        cara_threshold: "CARA, threshold, unchecked",
        cara_cumulative: "CARA, cumulative, unchecked",
        "half_the_columns": "drift in half of the columns, unchecked",
        "ours": f"autopilot, every {every_days} days",
        "ours_at_price": f"autopilot, every {every_days} days, cost = price",
        "ours_without_returns": f"autopilot, every {every_days} days, no returns",
        "ours_on_drops": "autopilot, on quality drops",
    }
    return titles.get(name) or f"every {name.removeprefix('every_').removesuffix('_days')} days, unchecked"


def build_report(
    grid: Grid, runs: Mapping[str, Sequence[PolicyRun]], *, every_days: int, grid_days: int
) -> BacktestReport:
    """Score the runs, and compare them with each other and with the optimal schedules.

    A policy has one run, or one per price of `grid.prices(PRICED_RUNS)`.
    """
    scoring = grid.scoring
    history, period = scoring.fits.history, scoring.period
    configured = "ours_on_drops" if history.pipeline.retrain.every_days is None else "ours"
    rows = round(int(scoring.inside.sum()) / history.scored_share)
    prices = grid.prices(PRICES)
    optimum = _optimum(grid.schedules, prices, rows, grid_days)
    usual = scoring.losses(scoring.predictions(runs[configured][0]))
    results = tuple(
        _policy_result(
            scoring,
            name,
            found,
            title=title_of(name, every_days),
            configured=None if name == configured else usual,
            prices=prices,
            rows=rows,
            optimum=optimum,
        )
        for name, found in runs.items()
    )
    return BacktestReport(
        pipeline=history.pipeline.name,
        measure=scoring.loss.name,
        unit="nats" if history.plan.is_class else "variances",
        first_day=date.fromordinal(period.start.toordinal() + 1),
        last_day=period.last,
        rows=rows,
        scored_rows=int(scoring.inside.sum()),
        configured=configured,
        every_days=every_days,
        prices=tuple(map(float, prices)),
        weeks=tuple(map(date.fromordinal, _weeks(scoring))),
        policies=results,
        optimum=optimum,
        suggestion=_suggestion(results, configured, every_days),
    )


def _policy_result(
    scoring: Scoring,
    name: str,
    runs: Sequence[PolicyRun],
    *,
    title: str,
    configured: "NDArray[np.float64] | None",
    prices: "NDArray[np.float64]",
    rows: int,
    optimum: Optimum,
) -> PolicyResult:
    run = runs[0]
    losses = scoring.losses(scoring.predictions(run))
    at_prices, costs = _costs(scoring, runs, prices, rows)
    area, wrong = sum(costs) / len(costs), scoring.wrong_promotions(run)
    return PolicyResult(
        name=name,
        title=title,
        loss=float(losses[scoring.inside].mean()),
        more_than_configured=None if configured is None else _interval(scoring, losses - configured),
        retrains=len(run.trained),
        promotions=run.promoted,
        returns=len(run.returned),
        wrong_promotions=len(wrong),
        cost_area=area,
        cost_area_over_optimum=area / optimum.cost_area,
        trained_on=run.trained,
        promoted_on=tuple(each.since for each in run.served[1:]),
        returned_on=tuple(day + timedelta(days=1) for day in run.returned),
        wrong_on=wrong,
        costs=costs,
        retrains_at_prices=at_prices,
        losses_by_week=_by_week(scoring, losses),
    )


def _costs(
    scoring: Scoring, runs: Sequence[PolicyRun], prices: "NDArray[np.float64]", rows: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Retrains and cost per row at each price, of the run whose price is nearest on the logarithmic scale."""
    import numpy as np

    nearest = np.round(np.linspace(0, len(runs) - 1, len(prices))).astype(int)
    means = [float(scoring.losses(scoring.predictions(run))[scoring.inside].mean()) for run in runs]
    retrains = [len(run.trained) for run in runs]
    costs = (means[n] + float(price) * retrains[n] / rows for n, price in zip(nearest, prices, strict=True))
    return tuple(retrains[n] for n in nearest), tuple(costs)


def _optimum(schedules: Sequence[Schedule], prices: "NDArray[np.float64]", rows: int, grid_days: int) -> Optimum:
    best = [min(schedules, key=lambda each: each.loss + price * len(each.retrains)) for price in prices]
    costs = [(each.loss + price * len(each.retrains)) / rows for each, price in zip(best, prices, strict=True)]
    free = min(schedules, key=lambda each: each.loss)
    return Optimum(
        loss=free.loss / rows,
        retrains_free=len(free.retrains),
        cost_area=float(sum(costs) / len(costs)),
        costs=tuple(map(float, costs)),
        retrains=tuple(len(each.retrains) for each in best),
        grid_days=grid_days,
    )


def _interval(scoring: Scoring, differences: "NDArray[np.float64]") -> Interval:
    mean = clustered_mean(scoring.daily(differences))
    return Interval(mean=mean.value, lower=mean.lower(ALPHA), upper=mean.upper(ALPHA))


def _by_week(scoring: Scoring, losses: "NDArray[np.float64]") -> tuple[float | None, ...]:
    """Mean loss in each week of the period; None in a week without a row."""
    import numpy as np

    weeks = _weeks(scoring)
    days = scoring.fits.history.scored_days[scoring.inside]
    place = np.searchsorted(weeks, days, side="right") - 1
    rows = np.bincount(place, minlength=len(weeks))
    sums = np.bincount(place, weights=losses[scoring.inside], minlength=len(weeks))
    return tuple(float(total / count) if count else None for total, count in zip(sums, rows, strict=True))


def _weeks(scoring: Scoring) -> list[int]:
    """The ordinal first day of each week of the period."""
    return list(range(scoring.period.start.toordinal() + 1, scoring.period.last.toordinal() + 1, WEEK))


def _suggestion(results: Sequence[PolicyResult], configured: str, every_days: int) -> str:
    """What the comparison of the schedule with drops alone suggests for `retrain.every_days`, with its interval."""
    other = next(each for each in results if each.name in {"ours", "ours_on_drops"} - {configured})
    found = other.more_than_configured
    assert found is not None  # it is not the configured policy
    interval = f"{found.mean:+.4f} per row (90 % interval {found.lower:+.4f} to {found.upper:+.4f})"
    cost = f"retrains: {other.retrains} instead of {next(e for e in results if e.name == configured).retrains}"
    if configured == "ours":
        if found.lower > 0:
            return f"keep retrain.every_days: without it the loss changes by {interval}; {cost}"
        return f"consider leaving out retrain.every_days: without it the loss changes by {interval}; {cost}"
    if found.upper < 0:
        return f"consider retrain.every_days: {every_days}: the loss changes by {interval}; {cost}"
    return f"a schedule shows no gain: with retrain.every_days: {every_days} the loss changes by {interval}; {cost}"
