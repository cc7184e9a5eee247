"""A candidate on its way: planned, trained and registered, compared, published. Each step finds what it did before.

What meets the champion is read back from the registry, so that exactly the bytes that won are the ones that serve.
"""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.comparison import Compared, Comparison, ComparisonRule, compare
from healing.release import ModelRef
from healing.versioning import Lineage, first, following
from releases.loader import LoadedModel, read_estimator
from releases.signing import Keys
from tasks.checks.contract import BATCH_DAY
from tasks.config.pipeline import Pipeline
from tasks.monitoring.evaluation import by_day
from tasks.monitoring.labels import LABEL, LabelSource, day_end
from tasks.monitoring.loss import VARIANCE, LogLoss, Loss, SquaredError
from tasks.training.provenance import code_revision, installed_environment, source_sha256
from tasks.training.publish import Offer, base_rate, predict, publish
from tasks.training.registry import (
    Record,
    RegisteredModel,
    Registry,
    find_registered,
    lineage_of_run,
    log_and_register,
    model_bytes,
    params_of,
    registered_versions,
)
from tasks.training.training import (
    Trained,
    TrainingPlan,
    TrainingRows,
    as_inputs,
    feature_days,
    pinned_versions,
    read_training_rows,
    train,
    training_days,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)

BASELINE = "the base rate"  # of a quantity, its mean
CHAMPION = "the champion"
REASON_CHARACTERS_MAX = 200  # an encoder may list every category that it never saw


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a candidate is made: the pipeline, its labels, its registry."""

    pipeline: Pipeline
    labels: LabelSource
    registry: Registry


def plan_training(pipeline: Pipeline, labels: LabelSource, until: date | None, estimator: str | None) -> TrainingPlan:
    """Pin everything that decides what the model will be.

    Without `until`, the last day with features is the last day used; `estimator` replaces the pipeline's own.
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
    )


def register_candidate(workshop: Workshop, plan: TrainingPlan, champion: LoadedModel | None) -> RegisteredModel:
    """Train and register the plan's model, unless an earlier run of the same plan has."""
    known = find_registered(workshop.registry, plan.key)
    if known is not None:
        log.info("candidate_found", version=known.version, mlflow_version=known.model_version, plan=plan.key[:12])
        return known
    build: Callable[[], Any] = workshop.pipeline.resolve(plan.estimator)
    trained = train(plan, workshop.labels, build)
    lineage = _lineage(workshop.pipeline, trained)
    record = Record(
        plan_key=plan.key,
        version=_version(workshop.registry, lineage, champion),
        lineage=lineage,
        code_revision=code_revision(),
        params={**params_of(trained.estimator), "estimator": plan.estimator},
        metrics=_metrics(plan, trained),
        tags=_tags(plan),
        schema=trained.rows.schema,
        pins=installed_environment().model_pins,
        training_seconds=trained.seconds,
    )
    return log_and_register(workshop.registry, record, trained.estimator)


def compare_candidate(
    workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel, champion: LoadedModel | None
) -> tuple[Compared, ...]:
    """The candidate against the base rate and, where there is one, the champion, on the same held-out rows."""
    rows = read_training_rows(plan, workshop.labels)
    estimator = read_estimator(model_bytes(workshop.registry, registered), origin=f"candidate {registered.version}")
    inputs, labels = as_inputs(rows.held_out, rows.schema), rows.held_out[LABEL].to_numpy()
    loss = _loss(plan, rows)
    rivals = {BASELINE: _constant(base_rate(rows), len(inputs))}
    if champion is not None:
        rivals[CHAMPION] = champion.predict(as_inputs(rows.held_out, champion.manifest.input_schema))
    try:
        losses = loss.of(predict(estimator, inputs), labels)
    except ValueError as exc:
        reason = textwrap.shorten(f"it raises on the held-out rows: {exc}", REASON_CHARACTERS_MAX)
        return tuple(
            Compared(Comparison.NOT_BETTER, rival, len(inputs), 0, None, None, None, reason) for rival in rivals
        )
    rule = ComparisonRule(rows_min=workshop.pipeline.monitor.rows_min, measure=loss.name)
    return tuple(
        compare(rival, by_day(rows.held_out[BATCH_DAY], loss.of(answers, labels) - losses), rule)
        for rival, answers in rivals.items()
    )


def publish_candidate(
    workshop: Workshop, plan: TrainingPlan, registered: RegisteredModel, release_root: Path, keys: Keys
) -> ModelRef:
    """Sign and store the registered model; the same registered model has the same digest at every call."""
    content = model_bytes(workshop.registry, registered)
    offer = Offer(plan=plan, rows=read_training_rows(plan, workshop.labels), registered=registered, content=content)
    return publish(offer, release_root, keys)


def _lineage(pipeline: Pipeline, trained: Trained) -> Lineage:
    schema = trained.rows.schema.model_dump_json()
    estimator = repr(sorted(params_of(trained.estimator).items()))
    return Lineage(
        features=sha256(f"{schema}{source_sha256(pipeline.features)}".encode()).hexdigest(),
        estimator=sha256(f"{type(trained.estimator).__qualname__}{estimator}".encode()).hexdigest(),
    )


def _version(registry: Registry, lineage: Lineage, champion: LoadedModel | None) -> str:
    taken = registered_versions(registry)
    if champion is None:
        return first(taken)
    run_id = champion.manifest.mlflow_run_id
    previous = Lineage("", "") if run_id is None else lineage_of_run(registry, run_id)
    return following(champion.manifest.version, previous, lineage, taken)


def _loss(plan: TrainingPlan, rows: TrainingRows) -> Loss:
    return LogLoss() if plan.output == "probability" else SquaredError(float(rows.learned[LABEL].var(ddof=0)))


def _metrics(plan: TrainingPlan, trained: Trained) -> dict[str, float]:
    rows: TrainingRows = trained.rows
    loss = _loss(plan, rows)
    counted = {"train_rows": float(len(rows.learned))}
    if isinstance(loss, SquaredError):
        counted |= {"train_label_mean": base_rate(rows), VARIANCE: loss.variance}
    else:
        counted |= {"train_positive_share": base_rate(rows)}
    try:
        answers = predict(trained.estimator, as_inputs(rows.held_out, rows.schema))
    except ValueError as exc:
        log.warning("candidate_raises", cause=str(exc))
        return counted
    return counted | dict(loss.metrics(answers, rows.held_out[LABEL].to_numpy()))


def _tags(plan: TrainingPlan) -> Mapping[str, str]:
    return {
        "autopilot.pipeline": plan.pipeline,
        "autopilot.train_from": plan.train_from.isoformat(),
        "autopilot.train_until": plan.train_until.isoformat(),
        "autopilot.until": plan.until.isoformat(),
        "autopilot.lake_version.features": str(plan.features_version),
        "autopilot.lake_version.labels": str(plan.labels_version),
        "autopilot.requirements_sha256": plan.requirements_sha256,
    }


def _constant(value: float, rows: int) -> "NDArray[np.float64]":
    import numpy as np

    return np.full(rows, value, dtype=np.float64)
