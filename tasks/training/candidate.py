"""Steps of one candidate: train and register, compare, refit, publish. A repeated step finds what an earlier run did.

Models are read back from the registry, so that exactly the bytes that were compared or refitted are published.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from healing.errors import ConfigError
from healing.release import ModelRef
from releases.flavours.sklearn_skops import read_estimator
from releases.loader import LoadedModel
from releases.release_root import ReleaseRoot
from releases.signing import Keys, ensure_keys
from tasks.config.pipeline import Pipeline, load_pipeline
from tasks.config.settings import Settings
from tasks.config.suggestion import did_you_mean
from tasks.evaluation.labels import LabelSource, label_source
from tasks.training.candidate_comparison import ComparisonResult, compare_with_baselines
from tasks.training.comparison import Comparison
from tasks.training.dataset import TrainingDataset, read_dataset
from tasks.training.fit import TrainedModel, candidate_latency, fit_model, fit_recipe, limit_threads
from tasks.training.latency import compare_with_budget
from tasks.training.leakage import refuse_logged_predictions
from tasks.training.mlflow_registry import (
    RegisteredModel,
    Registry,
    find_registered,
    lineage_of_run,
    model_bytes,
    require_store,
)
from tasks.training.mlflow_tracking import log_and_register, log_comparisons
from tasks.training.plan import TrainingPlan
from tasks.training.publish import ComparedModel, PublishRequest, publish
from tasks.training.refit import compare_refit, refit_plan
from tasks.training.training_record import record_refit, record_training

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What the steps share: pipeline, labels, model registry, release root, signing keys, and what was read last."""

    pipeline: Pipeline
    labels: LabelSource
    registry: Registry
    release_root: ReleaseRoot
    keys: Keys
    _cached: dict[str, TrainingDataset] = field(default_factory=dict, compare=False, repr=False)
    _opened: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)  # estimators by MLflow version

    @classmethod
    def of(cls, settings: Settings, pipeline: str) -> "TrainingContext":
        """The context of the pipeline that is named `pipeline`."""
        config = load_pipeline(pipeline, settings.pipelines_dir)
        return cls(
            pipeline=config,
            labels=label_source(config, settings.lake_root(pipeline)),
            registry=Registry(settings.tracking_uri, pipeline, Path(settings.mlflow_artifacts_dir)),
            release_root=settings.release_root(pipeline),
            keys=ensure_keys(settings.keys_dir),
        )

    def dataset(self, plan: TrainingPlan) -> TrainingDataset:
        """The plan's dataset, read once; only the last plan's is kept. ConfigError if `log` names no feature of it."""
        if plan.key not in self._cached:
            self._cached.clear()
            dataset = read_dataset(plan, self.labels)
            _check_log_columns(self.pipeline, dataset.schema.names)
            self._cached[plan.key] = dataset
        return self._cached[plan.key]


def _check_log_columns(pipeline: Pipeline, features: Sequence[str]) -> None:
    """A misspelt column would be logged as clients send it."""
    for column in pipeline.log.columns:
        if column not in features:
            raise ConfigError(
                f"expected log.drop and log.hash of pipeline {pipeline.name!r} to name features, found {column!r}; "
                f"features are {', '.join(features)}{did_you_mean(column, features)}"
            )


def register_candidate(context: TrainingContext, plan: TrainingPlan, champion: LoadedModel | None) -> RegisteredModel:
    """Train, log and register the plan's model, unless an earlier run of the same plan registered it.

    RegistryUnavailable if MLflow's files are away. They are made before the first training only.
    """
    if champion is not None and champion.manifest.mlflow_model_version is not None:
        require_store(context.registry.tracking_uri)
    known = find_registered(context.registry, plan.key)
    if known is not None:
        log.info("candidate_found", version=known.version, mlflow_version=known.model_version, plan=plan.key[:12])
        return known
    trained = train_candidate(context, plan)
    with limit_threads(plan.threads):
        record = record_training(context.pipeline, plan, trained, context.registry, champion)
    return log_and_register(context.registry, record, trained.estimator)


def train_candidate(context: TrainingContext, plan: TrainingPlan) -> TrainedModel:
    """Fit the plan's model. TrainingRefused if the labels or a feature are logged predictions."""
    import pandas as pd

    dataset = context.dataset(plan)
    rows = pd.concat([dataset.train, dataset.held_out], ignore_index=True)
    refuse_logged_predictions(rows, context.labels, dataset.schema.names, plan.output)
    return fit_model(plan, dataset, context.pipeline.resolve(plan.estimator))


def compare_candidate(
    context: TrainingContext, plan: TrainingPlan, registered: RegisteredModel, champion: LoadedModel | None
) -> ComparisonResult:
    """Compare the registered candidate with the baselines and the latency budget, and log the comparisons."""
    estimator, dataset = open_registered(context, registered), context.dataset(plan)
    rules = context.pipeline.retrain.search
    with limit_threads(plan.threads):
        result = compare_with_baselines(context.pipeline, plan, dataset, estimator, champion)
        if rules is not None and rules.latency_ms_max is not None:
            slow = compare_with_budget(candidate_latency(plan, dataset, estimator), rules.latency_ms_max)
            result = replace(result, comparisons=(*result.comparisons, *([slow] if slow else [])))
    log_comparisons(context.registry, registered, result.comparisons)
    if result.leakage_warning:
        log.warning("leakage_suspected", pipeline=plan.pipeline, version=registered.version, why=result.leakage_warning)
    return result


def refit_candidate(context: TrainingContext, plan: TrainingPlan, compared: RegisteredModel) -> RegisteredModel:
    """Fit the recipe of the compared fit on all rows, log and register it, unless an earlier run registered it."""
    dataset = context.dataset(plan)
    again = refit_plan(plan, dataset)
    known = find_registered(context.registry, again.key)
    if known is not None:
        log.info("refit_found", version=known.version, mlflow_version=known.model_version, plan=again.key[:12])
        return known
    trained = fit_recipe(again, dataset.with_held_out(), open_registered(context, compared))
    record = record_refit(again, trained, compared, lineage_of_run(context.registry, compared.run_id))
    return log_and_register(context.registry, record, trained.estimator)


def check_refit(
    context: TrainingContext, plan: TrainingPlan, compared: RegisteredModel, refit: RegisteredModel
) -> Comparison:
    """Compare the refit with the compared fit on the rows that both were fitted on, and log it."""
    before, after = open_registered(context, compared), open_registered(context, refit)
    with limit_threads(plan.threads):
        agreement = compare_refit(context.pipeline, plan, context.dataset(plan), before, after)
    log_comparisons(context.registry, refit, [agreement])
    return agreement


def publish_candidate(
    context: TrainingContext,
    plan: TrainingPlan,
    registered: RegisteredModel,
    champion: LoadedModel | None = None,
    refit: RegisteredModel | None = None,
) -> ModelRef:
    """Sign and store the registered model, or its refit. Equal arguments give the same digest."""
    dataset = context.dataset(plan)
    if refit is None:
        request = PublishRequest(plan, dataset, registered, model_bytes(context.registry, registered), champion)
    else:
        compared = ComparedModel(registered, open_registered(context, registered), plan.train_until)
        content = model_bytes(context.registry, refit)
        again = refit_plan(plan, dataset)
        request = PublishRequest(again, dataset.with_held_out(), refit, content, champion, compared)
    with limit_threads(plan.threads):
        return publish(request, context.release_root, context.keys)


def open_registered(context: TrainingContext, registered: RegisteredModel) -> Any:
    """The registered estimator, opened once from the bytes that would be published."""
    if registered.model_version not in context._opened:
        content = model_bytes(context.registry, registered)
        context._opened[registered.model_version] = read_estimator(content, origin=f"candidate {registered.version}")
    return context._opened[registered.model_version]
