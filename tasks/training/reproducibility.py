"""Training again: whether the same plan makes the same model once more, and if not, why not and how far apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from healing.errors import UsageError
from tasks.training.answers import answers_of
from tasks.training.candidate import Workshop, open_registered, train_candidate
from tasks.training.mlflow_registry import RegisteredModel, find_registered
from tasks.training.mlflow_tracking import model_digest
from tasks.training.provenance import code_revision
from tasks.training.record import SEARCH_CUT_SHORT, params_of_training
from tasks.training.training import Trained, TrainingPlan, as_inputs


@dataclass(frozen=True, slots=True)
class Repetition:
    """A second training beside the registered one.

    Digests are SHA-256 of the models' canonical bytes; `difference` is the largest between their answers to a held-out
    row, in the answer's unit; `why` says what is known of the causes.
    """

    registered: RegisteredModel
    same: bool
    first_sha256: str
    again_sha256: str
    difference: float
    why: tuple[str, ...]


def train_again(workshop: Workshop, plan: TrainingPlan) -> Repetition:
    """Fit the plan's model anew and compare it with the registered one; registers nothing.

    UsageError when there is no registered one.
    """
    import numpy as np

    registered = find_registered(workshop.registry, plan.key)
    if registered is None:
        raise UsageError(
            f"expected a model that was trained by this plan ({plan.key[:12]}: learned until {plan.train_until}, from "
            f"versions {plan.features_version} and {plan.labels_version} of the lake), found none; retrain without "
            "--again first"
        )
    first, again = open_registered(workshop, registered), train_candidate(workshop, plan)
    digests = registered.model_sha256 or model_digest(first), model_digest(again.estimator)
    inputs = as_inputs(again.rows.held_out, again.rows.schema)
    apart = np.abs(answers_of(first, inputs) - answers_of(again.estimator, inputs))
    same = digests[0] == digests[1]
    why = () if same else _causes(registered, plan, again)
    return Repetition(registered, same, *digests, float(np.nanmax(apart, initial=0.0)), why)


def _causes(registered: RegisteredModel, plan: TrainingPlan, again: Trained) -> tuple[str, ...]:
    """What may have made two trainings of one plan differ; never empty."""
    params = params_of_training(plan, again)
    causes = [
        f"{name} was {registered.params[name]}, is {value}"
        for name, value in sorted(params.items())
        if registered.params.get(name, value) != value
    ]
    if "True" in (params.get(SEARCH_CUT_SHORT), registered.params.get(SEARCH_CUT_SHORT)):
        causes.append("a search was cut short by retrain.search.seconds_max, so how far it came depends on the machine")
    if registered.code_revision != code_revision():
        causes.append(f"the code was at {registered.code_revision}, is at {code_revision()}")
    causes += [f"{name} is None: its draws differ from fit to fit" for name in _unseeded(again.estimator.get_params())]
    return tuple(causes) or ("nothing known: the estimator's own fit must depend on the machine or on its history",)


def _unseeded(params: Mapping[str, Any]) -> list[str]:
    return sorted(name for name, value in params.items() if name.endswith("random_state") and value is None)
