"""Fitting the estimator of a plan, with a search for its parameters where the plan asks for one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from tasks.lake.columns import BATCH_DAY
from tasks.runtime import crash_points
from tasks.training.dataset import TrainingDataset, targets_of, training_loss
from tasks.training.inference import as_inputs, predict
from tasks.training.latency import BATCH_ROWS, Latency, measure_latency
from tasks.training.plan import TrainingPlan
from tasks.training.search import SearchData, SearchResult, search

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A fitted estimator, its dataset, the result of its parameter search, and the seconds that the fit took."""

    estimator: Any  # scikit-learn has no types
    dataset: TrainingDataset
    seconds: float
    search: SearchResult | None = None


def fit_model(plan: TrainingPlan, dataset: TrainingDataset, build_estimator: Callable[[], Any]) -> TrainedModel:
    """Search for parameters if the plan says so, then fit on all training rows.

    Uses as many threads as the plan says: another number of threads sums in another order, which changes the last
    digits and from them the splits of trees.
    """
    inputs, targets = dataset.train_inputs, targets_of(plan, dataset.train)
    with limit_threads(plan.threads):
        found = None
        if plan.search is not None:
            loss, latency = training_loss(plan, dataset).of, partial(candidate_latency, plan, dataset)
            rows = SearchData(inputs, targets, dataset.train[BATCH_DAY], loss, predict, latency)
            found = search(build_estimator, rows, plan.search, plan.seed)
            crash_points.reached("retrain.searched", fits=len(found.scored))
        started = time.perf_counter()
        estimator = build_estimator()
        if found is not None:
            estimator.set_params(**found.parameters)
        estimator.fit(inputs, targets)
        seconds = time.perf_counter() - started
    log.info("model_fitted", pipeline=plan.pipeline, rows=len(inputs), seconds=round(seconds, 3), plan=plan.key[:12])
    return TrainedModel(estimator=estimator, dataset=dataset, seconds=seconds, search=found)


def candidate_latency(plan: TrainingPlan, dataset: TrainingDataset, estimator: Any) -> Latency | None:
    """The latency of a fitted estimator on the first training rows."""
    rows = as_inputs(dataset.train.iloc[:BATCH_ROWS], dataset.schema)
    return measure_latency(estimator, rows, dataset.schema, plan.model_output)


def fit_recipe(plan: TrainingPlan, dataset: TrainingDataset, recipe: Any) -> TrainedModel:
    """A clone of `recipe`, an estimator with its parameters, fitted on all training rows."""
    from sklearn.base import clone

    estimator = clone(recipe)
    with limit_threads(plan.threads):
        started = time.perf_counter()
        estimator.fit(dataset.train_inputs, targets_of(plan, dataset.train))
        seconds = time.perf_counter() - started
    log.info("recipe_refitted", pipeline=plan.pipeline, rows=len(dataset.train), seconds=round(seconds, 3))
    return TrainedModel(estimator=estimator, dataset=dataset, seconds=seconds)


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Limit the OpenMP and BLAS threads of this process, and restore the previous limits at the end.

    Floating-point sums depend on the number of threads. On a busy machine, two threads that wait for each other also
    make a prediction ten times slower than one thread.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield
