"""The year's flights with their labels, and models that the functions of `retrain` train on them."""

import io
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.year.lake import flights, year_lake
from releases.loader import LoadedModel
from releases.manifest import ComparedFit, Golden, Manifest, ReferenceProfile
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource, join_labels, label_source, read_features
from tasks.evaluation.losses import LogLoss
from tasks.lake.columns import BATCH_DAY, LABEL
from tasks.monitoring.distances import ColumnKind, column_kinds
from tasks.training.dataset import TrainingDataset, base_rate, read_dataset
from tasks.training.fit import fit_model, fit_recipe
from tasks.training.held_out_answers import ANSWERS_FILE, held_out_answers
from tasks.training.inference import as_inputs, input_schema
from tasks.training.plan import TrainingPlan, plan_training
from tasks.training.refit import compare_refit, refit_plan

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

FIRST_UNTIL = date(2013, 2, 28)  # the last training or acceptance day of the first model
PRESET_DISTANCE = 0.1  # Evidently's threshold for a column, with more than 1,000 rows of reference
LOSS = LogLoss()


@dataclass(frozen=True, slots=True)
class World:
    """The pipeline, its lake, and all flights that landed, with their labels."""

    pipeline: Pipeline
    labels: LabelSource
    landed: "pd.DataFrame"

    @classmethod
    def of_2013(cls) -> "World":
        pipeline = flights()
        labels = label_source(pipeline, year_lake())
        everything = read_features(labels.lake_root, labels.key, None, None)
        joined = join_labels(everything, labels, datetime(2014, 1, 2, tzinfo=UTC))
        return cls(pipeline, labels, joined[joined[LABEL].notna()].reset_index(drop=True))

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """How each input is compared."""
        schema = input_schema(self.landed, self.labels.key)
        return column_kinds([(column.name, column.type) for column in schema.columns])

    def rows(self, since: date, until: date) -> "pd.DataFrame":
        """Landed flights of the days from `since` to `until`."""
        return self.landed[(self.landed[BATCH_DAY] >= since) & (self.landed[BATCH_DAY] <= until)]

    def plan(self, until: date, holdout_days: int) -> TrainingPlan:
        """The training plan at the end of `until`, with the last `holdout_days` held out.

        Without the parameter search: it is limited in seconds, so its result depends on the machine's load.
        """
        plan = plan_training(self.pipeline, self.labels, until, None)
        return replace(plan, train_until=until - timedelta(days=holdout_days), search=None)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, and the last day of its training and acceptance."""

    model: LoadedModel
    accepted_until: date
    answers: "pd.DataFrame | None" = None  # of the compared fit to its held-out rows, if the model is a refit

    def predict(self, rows: "pd.DataFrame") -> "NDArray[np.float64]":
        return self.model.predict(as_inputs(rows, self.model.manifest.input_schema))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted model with its training rows and held-out rows."""

    fitted: Fitted
    plan: TrainingPlan
    dataset: TrainingDataset


def fit(world: World, until: date, holdout_days: int, label_coverage_min: float | None = None) -> Candidate:
    """A model as `retrain` trains it at the end of day `until`; coverage 0 includes days with missing labels."""
    plan = world.plan(until, holdout_days)
    if label_coverage_min is not None:
        plan = replace(plan, label_coverage_min=label_coverage_min)
    dataset = read_dataset(plan, world.labels)
    trained = fit_model(plan, dataset, world.pipeline.resolve(plan.estimator))
    manifest = _manifest(plan, dataset, {})
    predictions = LoadedModel(plan.key, manifest, trained.estimator).predict(dataset.held_out_inputs)
    manifest = _manifest(plan, dataset, dict(LOSS.metrics(predictions, dataset.held_out_labels)))
    return Candidate(Fitted(LoadedModel(plan.key, manifest, trained.estimator), until), plan, dataset)


def refit(world: World, candidate: Candidate) -> Fitted:
    """The recipe of an accepted candidate fitted again on all its rows, or the candidate where the refit is refused."""
    import pandas as pd

    plan, rows = refit_plan(candidate.plan, candidate.dataset), candidate.dataset.with_held_out()
    compared = candidate.fitted.model
    trained = fit_recipe(plan, rows, compared.estimator)
    if compare_refit(world.pipeline, candidate.plan, candidate.dataset, compared.estimator, trained.estimator).blocks:
        return candidate.fitted
    fit_before = ComparedFit(trained_until=compared.manifest.trained_until, answers_file=ANSWERS_FILE)
    manifest = _manifest(plan, rows, dict(compared.manifest.reference.metrics))
    model = LoadedModel(plan.key, manifest.model_copy(update={"compared": fit_before}), trained.estimator)
    answers = pd.read_parquet(io.BytesIO(held_out_answers(candidate.dataset, compared.estimator)))
    return Fitted(model, candidate.fitted.accepted_until, answers)


def _manifest(plan: TrainingPlan, dataset: TrainingDataset, metrics: dict[str, float]) -> Manifest:
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
        golden=Golden(columns=(), rows=((),), outputs=(0.0,)),
        baseline=base_rate(dataset),
        training_seconds=0,
    )
