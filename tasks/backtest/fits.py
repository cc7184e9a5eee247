"""Fits of the pipeline's estimator at the end of a day, and the models that a replayed retrain makes of them."""

import io
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from releases.loader import LoadedModel
from releases.manifest import ComparedFit, Golden, Manifest, ReferenceProfile
from tasks.backtest.history import History
from tasks.evaluation.losses import VARIANCE, Loss
from tasks.evaluation.predictions import classes_of, predictions_of, unknown_predictions
from tasks.lake.columns import LABEL
from tasks.training.dataset import TrainingDataset, training_loss
from tasks.training.fit import fit_recipe
from tasks.training.held_out_answers import ANSWERS_FILE, held_out_answers
from tasks.training.inference import as_inputs, predict, predict_or_nan
from tasks.training.plan import TrainingPlan
from tasks.training.publish import baseline_of
from tasks.training.refit import compare_refit, refit_plan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class FitKind(StrEnum):
    """Which rows a fit learns."""

    COMPARED = "compared"  # without the held-out days, on which it can be compared
    WHOLE = "whole"  # all rows with mature labels: the refit of an accepted recipe, and every unchecked training


@dataclass(frozen=True, slots=True)
class FitKey:
    """A fit on the data of the end of day `until`. The lake's versions and the pipeline are those of the history."""

    kind: FitKind
    until: date


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model. `scored` are its predictions of the scored rows, NaN on the days up to `key.until`."""

    key: FitKey
    model: LoadedModel
    scored: "NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class AcceptedModel:
    """A model that serves, and the last day on whose rows it was accepted.

    `answers` are those of the compared fit to its held-out rows, if the model is a refit. `fit` is what serves.
    `accepted_from` is the first of the days on which it was compared when it returned; None if it is new.
    """

    fit: Fit
    model: LoadedModel
    accepted_until: date
    answers: "pd.DataFrame | None" = None
    accepted_from: date | None = None

    @classmethod
    def unchecked(cls, fit: Fit) -> "AcceptedModel":
        """A model that serves without any comparison."""
        return cls(fit, fit.model, date.fromisoformat(fit.model.manifest.trained_until))

    def returned(self, plan: TrainingPlan) -> "AcceptedModel":
        """The same model, accepted again on the held-out days of `plan`."""
        since = plan.train_until + timedelta(days=1)
        return replace(self, accepted_until=plan.until, answers=None, accepted_from=since)

    def predict(self, rows: "pd.DataFrame") -> "NDArray[np.float64]":
        """Predictions of rows of the features table, shape (rows,) or (rows, classes)."""
        return predictions_of(self.model, as_inputs(rows, self.model.manifest.input_schema))


def fit(history: History, key: FitKey) -> Fit:
    """Fit the estimator as `retrain` does. TrainingRefused when the rows are too few."""
    plan = history.plan_at(key.until)
    dataset = history.dataset(plan)
    if key.kind is FitKind.WHOLE:
        plan, dataset = refit_plan(plan, dataset), dataset.with_held_out()
    trained = fit_recipe(plan, dataset, history.pipeline.estimator())
    model = LoadedModel(plan.key, _manifest(plan, dataset, trained.estimator), trained.estimator)
    return Fit(key, model, _predict_scored(history, model, key.until))


def refit_agrees(history: History, compared: Fit, whole: Fit) -> bool:
    """Whether `retrain` would release the refit `whole` in place of the fit that was compared."""
    if not history.pipeline.retrain.refit:
        return False
    plan = history.plan_at(compared.key.until)
    dataset = history.dataset(plan)
    estimators = compared.model.estimator, whole.model.estimator
    return not compare_refit(history.pipeline, plan, dataset, *estimators).blocks


def as_refit(history: History, compared: Fit, whole: Fit) -> AcceptedModel:
    """The refit of an accepted recipe, as its manifest describes it."""
    import pandas as pd

    manifest = compared.model.manifest
    named = ComparedFit(trained_until=manifest.trained_until, answers_file=ANSWERS_FILE)
    changes = {"compared": named, "reference": manifest.reference}
    model = LoadedModel(whole.model.digest, whole.model.manifest.model_copy(update=changes), whole.model.estimator)
    plan = history.plan_at(compared.key.until)
    answers = pd.read_parquet(io.BytesIO(held_out_answers(plan, history.dataset(plan), compared.model.estimator)))
    return AcceptedModel(whole, model, date.fromisoformat(model.manifest.trained_until), answers)


def scoring_loss(history: History, first: FitKey) -> Loss:
    """The loss of all models: that of the first training, so that each has the same unit."""
    plan = history.plan_at(first.until)
    return training_loss(plan, history.dataset(plan))


def _predict_scored(history: History, model: LoadedModel, until: date) -> "NDArray[np.float64]":
    """Predictions of the scored rows after `until`; a row on which the model raises gets the baseline answer."""
    import numpy as np

    later = history.scored_days > until.toordinal()
    manifest = model.manifest
    predictions = unknown_predictions(len(later), classes_of(manifest))
    rows = history.scored.iloc[np.flatnonzero(later)]
    if len(rows):
        found = predict_or_nan(model.estimator, as_inputs(rows, manifest.input_schema))
        predictions[later] = np.where(np.isnan(found), manifest.baseline_outputs or manifest.baseline, found)
    return predictions


def _manifest(plan: TrainingPlan, dataset: TrainingDataset, estimator: Any) -> Manifest:
    loss = training_loss(plan, dataset)
    metrics = dict(loss.metrics(predict(estimator, dataset.held_out_inputs), dataset.held_out_labels))
    if not plan.is_class:
        metrics[VARIANCE] = float(dataset.train[LABEL].var(ddof=0))
    baseline = baseline_of(plan, dataset)
    shares = baseline.get("baseline_outputs", ())
    return Manifest(
        pipeline=plan.pipeline,
        version="1.0.0",
        created_at=plan.as_of,
        files={},
        trained_from=plan.train_from.isoformat(),
        trained_until=plan.train_until.isoformat(),
        code_revision="",
        requirements_sha256=plan.requirements_sha256,
        input_schema=dataset.schema,
        reference=ReferenceProfile(rows=len(dataset.train), metrics=metrics),
        golden=Golden(columns=(), rows=((),), outputs=(0.0,), matrix=(shares,) if shares else ()),
        **baseline,
        output=plan.model_output,
        training_seconds=0,
    )
