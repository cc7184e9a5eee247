"""Runs a backtest: fits in parallel processes, then the policies, then the report.

Finished fits are kept on disk, so a run that was killed continues where it was, and ends with the same result.
"""

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from multiprocessing import connection
from pathlib import Path
from typing import Any

import structlog

from healing.errors import StoreUnavailable, UsageError
from observability.service_output import log_without_locals
from tasks.backtest.fit_store import FitStore
from tasks.backtest.fits import FitKey, FitKind, scoring_loss
from tasks.backtest.grid import CARA, PRICED_RUNS, RANDOM, Grid
from tasks.backtest.history import SCORED_ROWS_MAX, History
from tasks.backtest.policies import Period, PolicyRun, first_day_to_train, policy_named
from tasks.backtest.report import BacktestReport, build_report
from tasks.backtest.scoring import Scoring
from tasks.config.pipeline import load_pipeline
from tasks.evaluation.clustered import DAYS_MIN
from tasks.lake.lake_root import LakeRoot
from tasks.runtime.file_locks import exclusive
from tasks.runtime.progress import ShowProgress
from tasks.training.fit import limit_threads

GRID_BLOCKS_MAX = 60  # fits of the matrix: a year by weeks
SCHEDULES = (1, 2, 4, 8)  # fixed schedules, in steps of the grid
REPLAYED = (
    "ours_at_price",
    "ours",
    "ours_without_returns",
    "ours_on_drops",
    "every_alarm",
    "adwin",
)  # the slowest first
FIRST_SHARE = 4  # the first model is trained on at least a quarter of the days

NamedRuns = tuple[str, tuple[PolicyRun, ...]]  # a policy's runs, one per price if it knows the price


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """The pipeline and the days to replay, `since` and `until` included. `folder` keeps the fits."""

    pipeline: str
    pipelines_dir: Path
    lake_root: LakeRoot
    folder: Path
    since: date | None = None
    until: date | None = None
    processes: int = 1
    scored_rows_max: int = SCORED_ROWS_MAX


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """The period, the grid of the matrix in days, our schedule and its cost, and the names of the policies."""

    period: Period
    grid_days: int
    every_days: int
    cost: float
    policies: tuple[str, ...]

    @property
    def grid(self) -> tuple[FitKey, ...]:
        """The fits of the matrix after the first model."""
        return tuple(FitKey(FitKind.WHOLE, day) for day in self.period.every(self.grid_days))

    @property
    def fits(self) -> "dict[date, tuple[FitKey, ...]]":
        """The fits that are known to be needed before the policies decide, by day; both kinds where we renew."""
        renewals = {day: tuple(FitKey(kind, day) for kind in FitKind) for day in self.period.every(self.every_days)}
        first = {self.period.start: tuple(FitKey(kind, self.period.start) for kind in FitKind)}
        return {**first, **{key.until: (key,) for key in self.grid}, **renewals}


def run_backtest(request: BacktestRequest, show: ShowProgress) -> BacktestReport:
    """Replay the policies.

    StoreUnavailable before the first ingested day, TrainingRefused when no first model can be trained, UsageError when
    the days are not in the lake, Conflict while another backtest of the pipeline runs.
    """
    request.folder.mkdir(parents=True, exist_ok=True)
    running = f"another backtest of {request.pipeline} is running; wait until it ends, or end it"
    with exclusive(request.folder / "backtest.lock", seconds_max=1, when_held=running), _single_threaded(request):
        show("reading the lake", 0, 1)
        _fits.cache_clear()  # the lake may have grown since an earlier backtest of this process
        fits = _fits(request)
        fits.discard_older()
        show("reading the lake", 1, 1)
        plan = plan_backtest(fits, request)
        missing = [keys for keys in plan.fits.values() if not all(map(fits.has, keys))]
        already = len(plan.fits) - len(missing)
        with _workers(request.processes) as results_of:
            show("fitting", already, len(plan.fits))
            for done, _ in enumerate(results_of([partial(_fit, request, keys) for keys in missing]), already + 1):
                show("fitting", done, len(plan.fits))
            grid = _grid(fits, plan)
            calls = _replays(plan, grid)
            show("replaying", 0, len(calls))
            runs = _on_grid(grid, plan)
            pending = [partial(_run, request, plan, name, costs) for name, costs in calls.items()]
            for done, (name, found) in enumerate(results_of(pending), 1):
                runs[name] = found
                show("replaying", done, len(calls))
        return _report(grid, plan, runs)


def replay_all(fits: FitStore, plan: BacktestPlan) -> BacktestReport:
    """Replay the policies of `plan` in this process."""
    grid = _grid(fits, plan)
    for keys in plan.fits.values():
        for key in keys:
            fits.ensure(key)
    runs = _on_grid(grid, plan)
    for name, costs in _replays(plan, grid).items():
        runs[name] = _runs_of(fits, plan, name, costs)
    return _report(grid, plan, runs)


def plan_backtest(fits: FitStore, request: BacktestRequest) -> BacktestPlan:
    """The days to replay, the schedules, and the grid. Errors as in `run_backtest`."""
    history = fits.history
    last = min(request.until or history.last_day, history.last_day)
    if request.since is not None:
        start = request.since - timedelta(days=1)
    else:
        quarter = history.first_day + timedelta(days=(last - history.first_day).days // FIRST_SHARE)
        start = first_day_to_train(fits, quarter, last - timedelta(days=DAYS_MIN))
    if start < history.first_day or last < start + timedelta(days=DAYS_MIN):
        raise UsageError(
            f"expected {DAYS_MIN} days or more to replay, with earlier days to train on, found {start} to {last} in a "
            f"lake from {history.first_day} to {history.last_day}; name other days with --from and --to"
        )
    _require_labels(history, start, last)
    period, rules = Period(start, last), history.pipeline.retrain
    every_days = rules.every_days or rules.holdout_days
    grid_days = every_days if every_days % 2 else every_days // 2
    while (last - start).days > GRID_BLOCKS_MAX * grid_days:
        grid_days *= 2
    fixed = [f"every_{grid_days * step}_days" for step in SCHEDULES if any(period.every(grid_days * step))]
    without = ("ours_without_returns",) if rules.earlier_champions_max else ()
    rivals = ("never", RANDOM, *fixed, "every_alarm", "adwin", *CARA)
    return BacktestPlan(
        period, grid_days, every_days, rules.cost, (*rivals, "ours", "ours_at_price", *without, "ours_on_drops")
    )


def _require_labels(history: History, start: date, last: date) -> None:
    scored = history.scored_days
    found = len(set(scored[(scored > start.toordinal()) & (scored <= last.toordinal())].tolist()))
    if found < DAYS_MIN:
        raise UsageError(
            f"expected labelled rows on {DAYS_MIN} days after {start} up to {last}, found them on {found}; ingest more "
            "days, or wait for their labels"
        )


def _grid(fits: FitStore, plan: BacktestPlan) -> Grid:
    loss = scoring_loss(fits.history, FitKey(FitKind.COMPARED, plan.period.start))
    return Grid(Scoring(fits, plan.period, loss), plan.grid)


def _on_grid(grid: Grid, plan: BacktestPlan) -> dict[str, tuple[PolicyRun, ...]]:
    """The runs of the policies that need no other model than those of the grid."""
    schedules = [name for name in plan.policies if name not in (*REPLAYED, *CARA, RANDOM)]
    fits, period = grid.scoring.fits, plan.period
    runs = {name: (policy_named(name, plan.every_days)(fits, period),) for name in schedules}
    runs[RANDOM] = (grid.random(len(tuple(period.every(plan.every_days)))),)
    return runs | {name: grid.cara(name) for name in CARA}


def _replays(plan: BacktestPlan, grid: Grid) -> dict[str, tuple[float, ...]]:
    """The other policies, each with the cost of a retrain in each of its runs."""
    prices = tuple(map(float, grid.prices(PRICED_RUNS)))
    costs = {"ours_at_price": prices, "ours": (plan.cost,), "ours_without_returns": (plan.cost,)}
    return {name: costs.get(name, (0.0,)) for name in REPLAYED if name in plan.policies}


def _runs_of(fits: FitStore, plan: BacktestPlan, name: str, costs: Sequence[float]) -> tuple[PolicyRun, ...]:
    """The runs of a policy, which share their predictions."""
    return tuple(policy_named(name, plan.every_days, cost)(fits, plan.period) for cost in costs)


def _report(grid: Grid, plan: BacktestPlan, runs: dict[str, tuple[PolicyRun, ...]]) -> BacktestReport:
    named = {name: runs[name] for name in plan.policies}
    return build_report(grid, named, every_days=plan.every_days, grid_days=plan.grid_days)


@lru_cache(maxsize=1)
def _fits(request: BacktestRequest) -> FitStore:
    """The store of the request's fits; a process reads the lake once."""
    pipeline = load_pipeline(request.pipeline, request.pipelines_dir)
    return FitStore(request.folder, History.read(pipeline, request.lake_root, request.scored_rows_max))


def _fit(request: BacktestRequest, keys: Sequence[FitKey]) -> None:
    """Make the fits of one day, and compare a refit with the fit that it replaces."""
    fits = _fits(request)
    with _single_threaded(request):
        if all(fits.ensure(key) for key in keys) and len(keys) > 1:
            fits.refit_agrees(keys[0].until)


def _run(request: BacktestRequest, plan: BacktestPlan, name: str, costs: Sequence[float]) -> NamedRuns:
    with _single_threaded(request):
        return name, _runs_of(_fits(request), plan, name, costs)


@contextmanager
def _single_threaded(request: BacktestRequest) -> Iterator[None]:
    """Predictions use one thread, because as many processes as there are cores share the machine."""
    with limit_threads(1 if request.processes > 1 else os.cpu_count() or 1):
        yield


@contextmanager
def _workers(processes: int) -> "Iterator[Callable[[Sequence[Callable[[], Any]]], Iterator[Any]]]":
    """A function that makes calls in other processes and returns their results in the order in which they end.

    With one process, the calls are made here, one after the other. StoreUnavailable when a process was killed.
    """
    if processes == 1:
        yield lambda calls: (call() for call in calls)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        yield lambda calls: (ended.result() for ended in as_completed([pool.submit(call) for call in calls]))
    except BrokenProcessPool as exc:
        raise StoreUnavailable(
            "expected the backtest's processes to end by themselves, found one killed, perhaps for want of memory; run "
            "the command again (finished fits are kept), with --processes 1 if it happens again"
        ) from exc
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Log like the command does, and end when the command is killed: the pool itself would wait for ever."""
    log_without_locals()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in a worker
    connection.wait([parent.sentinel])
    os._exit(1)
