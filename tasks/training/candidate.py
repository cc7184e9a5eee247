"""A candidate on its way: planned, trained and registered, compared, published. Each step finds what it did before.

What meets the champion is read back from the registry, so that exactly the bytes that won are the ones that serve.
"""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import structlog

from healing.release import ModelRef
from releases.loader import LoadedModel, read_estimator
from releases.signing import Keys
from tasks.config.pipeline import Pipeline
from tasks.evaluation.labels import LabelSource, day_end
from tasks.training.comparison import Meeting, meet_on_held_out
from tasks.training.mlflow_registry import RegisteredModel, Registry, find_registered, model_bytes
from tasks.training.mlflow_tracking import log_and_register, log_comparisons
from tasks.training.own_predictions import refuse_own_answers
from tasks.training.provenance import installed_environment, source_sha256
from tasks.training.publish import Offer, publish
from tasks.training.record import record_of
from tasks.training.threads import at_most
from tasks.training.training import (
    Trained,
    TrainingPlan,
    TrainingRows,
    feature_days,
    fit,
    pinned_versions,
    read_training_rows,
    training_days,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a candidate is made: the pipeline, its labels, its registry, and the rows that were read for a plan."""

    pipeline: Pipeline
    labels: LabelSource
    registry: Registry
    _read: dict[str, TrainingRows] = field(default_factory=dict, compare=False, repr=False)

    def rows(self, plan: TrainingPlan) -> TrainingRows:
        """The plan's rows: read once, for its versions pin them. Those of another plan are forgotten."""
        if plan.key not in self._read:
            self._read.clear()
            self._read[plan.key] = read_training_rows(plan, self.labels)
        return self._read[plan.key]


def plan_training(pipeline: Pipeline, labels: LabelSource, until: date | None, estimator: str | None) -> TrainingPlan:
    """Pin everything that decides what the model will be.

    Without `until`, the last day with features is the last day used; `estimator` replaces the pipeline's own, and is
    not searched around: it may not have the parameters.
    """
    rules = pipeline.retrain
    first_day, last_day = feature_days(labels.lake_root, labels.key)
    until = until or last_day
    train_from, train_until = training_days(until, rules.lookback_days, rules.holdout_days)
    features_version, labels_version = pinned_versions(labels)
    reference = estimator or pipeline.estimator_path
    return TrainingPlan(
        pipeline=pipeline.name,
        train_from=max(train_from, first_day),
        train_until=train_until,
        until=until,
        as_of=day_end(until, labels.zone),
        features_version=features_version,
        labels_version=labels_version,
        estimator=reference,
        estimator_sha256=source_sha256(pipeline.resolve(reference)),
        rows_min=rules.rows_min,
        requirements_sha256=installed_environment().sha256,
        output=pipeline.prediction.output,
        label_coverage_min=rules.label_coverage_min,
        threads=rules.threads,
        search=rules.search if reference == pipeline.estimator_path else None,
    )


def train_candidate(workshop: Workshop, plan: TrainingPlan) -> Trained:
    """Fit the plan's model on its rows; TrainingRefused where a model's own answers are among them."""
    import pandas as pd

    rows = workshop.rows(plan)
    every = pd.concat([rows.learned, rows.held_out], ignore_index=True)
    refuse_own_answers(every, workshop.labels, rows.schema.names, plan.output)
    return fit(plan, rows, workshop.pipeline.resolve(plan.estimator))


def register_candidate(workshop: Workshop, plan: TrainingPlan, champion: LoadedModel | None) -> RegisteredModel:
    """Train and register the plan's model, unless an earlier run of the same plan has."""
    known = find_registered(workshop.registry, plan.key)
    if known is not None:
        log.info("candidate_found", version=known.version, mlflow_version=known.model_version, plan=plan.key[:12])
        return known
    trained = train_candidate(workshop, plan)
    with at_most(plan.threads):
        record = record_of(workshop.pipeline, plan, trained, workshop.registry, champion)
    return log_and_register(workshop.registry, record, trained.estimator)


def compare_candidate(
    workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel, champion: LoadedModel | None
) -> Meeting:
    """The registered candidate against all its rivals on the same held-out rows."""
    estimator = open_registered(workshop, registered)
    with at_most(plan.threads):
        meeting = meet_on_held_out(workshop.pipeline, plan, workshop.rows(plan), estimator, champion)
    log_comparisons(workshop.registry, registered, meeting.comparisons)
    return meeting


def publish_candidate(
    workshop: Workshop,
    plan: TrainingPlan,
    registered: RegisteredModel,
    release_root: Path,
    keys: Keys,
    champion: LoadedModel | None = None,
) -> ModelRef:
    """Sign and store the registered model; the same beside the same champion has the same digest at every call."""
    content = model_bytes(workshop.registry, registered)
    offer = Offer(plan=plan, rows=workshop.rows(plan), registered=registered, content=content, champion=champion)
    with at_most(plan.threads):
        return publish(offer, release_root, keys)


def open_registered(workshop: Workshop, registered: RegisteredModel) -> Any:
    """The registered estimator, from the bytes that would be published."""
    return read_estimator(model_bytes(workshop.registry, registered), origin=f"candidate {registered.version}")
