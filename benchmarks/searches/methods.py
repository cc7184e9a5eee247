"""The search of `retrain`, scikit-learn's successive halving and Optuna, each on the same rows, folds and parameters.

A method returns the parameters that it found, and the seconds that it took. All try as many combinations. Optuna is not
a dependency; where it is not installed, its methods are left out.
"""

import importlib
import importlib.util
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.searches.origins import Origin
from tasks.config.retrain_section import Range
from tasks.training.inference import predict
from tasks.training.search import FACTOR, search, time_folds
from tasks.training.search_space import Parameters, draw_candidates

Found = tuple[Parameters, float]


def ours(origin: Origin) -> Found:
    started = time.perf_counter()
    found = search(origin.build, origin.rows, origin.rules, origin.seed)
    return found.parameters, time.perf_counter() - started


def halving(origin: Origin) -> Found:
    """HalvingGridSearchCV over our draws: HalvingRandomSearchCV cannot include the estimator as written."""
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    started = time.perf_counter()
    rows, estimator = origin.rows, origin.build()
    as_written = {name: estimator.get_params()[name] for name in origin.rules.parameters}
    drawn = [as_written, *draw_candidates(origin.rules, origin.seed)]
    searching = HalvingGridSearchCV(
        estimator,
        [{name: [value] for name, value in each.items()} for each in drawn],
        factor=FACTOR,
        scoring=lambda fitted, inputs, labels: -rows.loss(predict(fitted, inputs), labels.to_numpy()).mean(),
        cv=time_folds(rows.days),
        min_resources="exhaust",
        refit=False,
        random_state=origin.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        searching.fit(rows.inputs, rows.targets)
    return searching.best_params_, time.perf_counter() - started


def optuna_tpe(origin: Origin) -> Found:
    """Optuna's tree-structured Parzen estimator; a trial is pruned by its loss on the first fold."""
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    started = time.perf_counter()
    rows, estimator, names = origin.rows, origin.build(), list(origin.rules.parameters)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=origin.seed, n_startup_trials=4),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    as_written = {name: _inside(estimator.get_params()[name], origin.rules.parameters[name]) for name in names}
    study.enqueue_trial(as_written)

    def objective(trial: Any) -> float:
        parameters = {name: _suggest(trial, name, values) for name, values in origin.rules.parameters.items()}
        losses = []
        for step, (fitted, scored) in enumerate(time_folds(rows.days)):
            model = origin.build().set_params(**parameters)
            model.fit(rows.inputs.iloc[fitted], rows.targets.iloc[fitted])
            predictions = predict(model, rows.inputs.iloc[scored])
            losses.append(float(rows.loss(predictions, rows.targets.iloc[scored].to_numpy()).mean()))
            trial.report(sum(losses) / len(losses), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sum(losses) / len(losses)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(objective, n_trials=origin.rules.candidates_max)
    return study.best_params, time.perf_counter() - started


def _inside(value: Any, values: Any) -> Any:
    """The value, or the nearest one of its range: Optuna refuses a trial outside of it."""
    return min(max(value, values.low), values.high) if isinstance(values, Range) else value


def _suggest(trial: Any, name: str, values: Any) -> Any:
    if not isinstance(values, Range):
        return trial.suggest_categorical(name, list(values))
    suggest = trial.suggest_int if values.is_whole else trial.suggest_float
    return suggest(name, values.low, values.high, log=values.scale == "log")


def methods() -> Mapping[str, Callable[[Origin], Found]]:
    """The methods that are installed, ours first."""
    found: dict[str, Callable[[Origin], Found]] = {"ours": ours, "halving": halving}
    if importlib.util.find_spec("optuna"):
        found["optuna"] = optuna_tpe
    return found
