"""Reproducibility: training a plan a second time, whether the same model results, and if not, why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from healing.errors import UsageError
from tasks.training.candidate import TrainingContext, open_registered, train_candidate
from tasks.training.fit import TrainedModel, fit_recipe
from tasks.training.inference import predict_or_nan
from tasks.training.mlflow_registry import RegisteredModel, find_registered
from tasks.training.mlflow_tracking import model_digest
from tasks.training.plan import TrainingPlan
from tasks.training.provenance import code_revision
from tasks.training.refit import refit_plan
from tasks.training.training_record import SEARCH_CUT_SHORT, training_params


@dataclass(frozen=True, slots=True)
class Repetition:
    """A second training compared with the registered model of the same plan.

    Digests are SHA-256 of the models' canonical bytes. `difference` is the largest difference between their predictions
    for a held-out row. `why` lists the known causes of a difference.
    """

    same: bool
    first_sha256: str
    again_sha256: str
    difference: float
    why: tuple[str, ...]


def require_registered(context: TrainingContext, plan: TrainingPlan) -> RegisteredModel:
    """The registered model of the plan. UsageError when the plan was never trained."""
    registered = find_registered(context.registry, plan.key)
    if registered is None:
        raise UsageError(
            f"expected a model that was trained by this plan ({plan.key[:12]}: learned until {plan.train_until}, from "
            f"versions {plan.features_version} and {plan.labels_version} of the lake), found none; retrain without "
            "--again first"
        )
    return registered


def train_again(context: TrainingContext, plan: TrainingPlan, registered: RegisteredModel) -> Repetition:
    """Fit the plan's model again, and its refit if there is one, and compare the last of them with the registered one.

    Registers nothing.
    """
    import numpy as np

    again = train_candidate(context, plan)
    again_plan = refit_plan(plan, again.dataset)
    refit = find_registered(context.registry, again_plan.key)
    if refit is not None:
        refitted = fit_recipe(again_plan, again.dataset.with_held_out(), again.estimator)
        again, registered = replace(again, estimator=refitted.estimator), refit
    first = open_registered(context, registered)
    digests = registered.model_sha256 or model_digest(first), model_digest(again.estimator)
    inputs = again.dataset.held_out_inputs
    differences = np.abs(predict_or_nan(first, inputs) - predict_or_nan(again.estimator, inputs))
    same = digests[0] == digests[1]
    why = () if same else _causes(registered, plan, again)
    return Repetition(same, *digests, float(np.nanmax(differences, initial=0.0)), why)


def _causes(registered: RegisteredModel, plan: TrainingPlan, again: TrainedModel) -> tuple[str, ...]:
    """Possible causes why two trainings of one plan differ; never empty."""
    params = training_params(plan, again)
    causes = [
        f"{name} was {registered.params[name]}, is {value}"
        for name, value in sorted(params.items())
        if registered.params.get(name, value) != value
    ]
    if "True" in (params.get(SEARCH_CUT_SHORT), registered.params.get(SEARCH_CUT_SHORT)):
        causes.append("retrain.search.seconds_max cut a search short, so its result depends on the machine's speed")
    if plan.search is not None and plan.search.latency_ms_max is not None:
        causes.append("retrain.search.latency_ms_max compares measured times, so a combination near it may be left out")
    if registered.code_revision != code_revision():
        causes.append(f"the code was at {registered.code_revision}, is at {code_revision()}")
    causes += [f"{name} is None, so every fit draws other random numbers" for name in _unseeded(again)]
    return tuple(causes) or ("unknown: the estimator's fit depends on the machine or on earlier fits",)


def _unseeded(trained: TrainedModel) -> list[str]:
    params: Mapping[str, Any] = trained.estimator.get_params()
    return sorted(name for name, value in params.items() if name.endswith("random_state") and value is None)
