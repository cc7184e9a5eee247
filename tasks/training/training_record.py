"""What MLflow keeps of one training: its semantic version, parameters, metrics, figures and provenance."""

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog

from healing.versioning import Lineage, first, following
from releases.loader import LoadedModel
from tasks.config.pipeline import Pipeline
from tasks.evaluation.losses import VARIANCE, SquaredError
from tasks.training.dataset import base_rate, class_shares, training_loss
from tasks.training.figures import figures_of
from tasks.training.fit import TrainedModel
from tasks.training.importance import permutation_importance
from tasks.training.inference import predict
from tasks.training.mlflow_registry import RegisteredModel, Registry, lineage_of_run, registered_versions
from tasks.training.mlflow_tracking import TrainingRecord, params_of
from tasks.training.plan import TrainingPlan
from tasks.training.provenance import code_revision, installed_environment, source_sha256
from tasks.training.search import SearchResult
from tasks.training.search_front import front_figure, front_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = structlog.get_logger(__name__)

SEARCH_CUT_SHORT = "search.cut_short"  # parameter of a run: the search ran out of time, so it may end elsewhere again


def record_training(
    pipeline: Pipeline, plan: TrainingPlan, trained: TrainedModel, registry: Registry, champion: LoadedModel | None
) -> TrainingRecord:
    """Everything of one training that MLflow keeps besides the model. `champion` determines the next version."""
    environment = installed_environment()
    lineage = _lineage(pipeline, plan, trained)
    metrics, figures = _metrics_and_figures(pipeline, plan, trained)
    return TrainingRecord(
        plan_key=plan.key,
        version=_next_version(registry, lineage, champion),
        lineage=lineage,
        code_revision=code_revision(),
        params=training_params(plan, trained),
        metrics=metrics,
        tags=_tags(plan),
        schema=trained.dataset.schema,
        pins=environment.model_pins,
        training_seconds=trained.seconds,
        is_class=plan.is_class,
        documents=_documents(plan, trained, environment.pins),
        figures=figures,
        tables={} if trained.search is None else {"search_front.json": front_table(trained.search)},
    )


def record_refit(
    plan: TrainingPlan, trained: TrainedModel, compared: RegisteredModel, lineage: Lineage
) -> TrainingRecord:
    """What MLflow keeps of a refit: the version, parameters and held-out losses of the compared fit, own counts.

    Its own losses on these rows would say nothing, because it was fitted on them.
    """
    environment = installed_environment()
    counts = {name: value for name, value in _dataset_metrics(plan, trained).items() if name != VARIANCE}
    return TrainingRecord(
        plan_key=plan.key,
        version=compared.version,
        lineage=lineage,
        code_revision=code_revision(),
        params=compared.params,
        metrics={**compared.metrics, **counts},
        tags={**_tags(plan), "autopilot.refit_of": compared.run_id},
        schema=trained.dataset.schema,
        pins=environment.model_pins,
        training_seconds=trained.seconds,
        is_class=plan.is_class,
        documents=_documents(plan, trained, environment.pins),
    )


def training_params(plan: TrainingPlan, trained: TrainedModel) -> dict[str, str]:
    """Parameters of the fitted estimator, and how the search found them."""
    params = {**params_of(trained.estimator), "estimator": plan.estimator, "threads": str(plan.threads)}
    found = trained.search
    if found is None:
        return params
    return {
        **params,
        "search.fitted": str(len(found.scored)),
        "search.found": ", ".join(sorted(found.parameters)) or "the estimator as written",
        SEARCH_CUT_SHORT: str(found.cut_short),
    }


def _lineage(pipeline: Pipeline, plan: TrainingPlan, trained: TrainedModel) -> Lineage:
    """Lineage of the estimator as written: parameters that a search found are a consequence of the data."""
    schema = trained.dataset.schema.model_dump_json()
    as_written = pipeline.resolve(plan.estimator)()
    estimator = repr(sorted(params_of(as_written).items()))
    return Lineage(
        features=sha256(f"{schema}{source_sha256(pipeline.features)}".encode()).hexdigest(),
        estimator=sha256(f"{type(as_written).__qualname__}{estimator}".encode()).hexdigest(),
        search=""
        if plan.search is None
        else sha256(plan.search.model_dump_json(exclude_none=True).encode()).hexdigest(),
    )


def _next_version(registry: Registry, lineage: Lineage, champion: LoadedModel | None) -> str:
    taken = registered_versions(registry)
    if champion is None:
        return first(taken)
    run_id = champion.manifest.mlflow_run_id
    previous = Lineage("", "") if run_id is None else lineage_of_run(registry, run_id)
    return following(champion.manifest.version, previous, lineage, taken)


def _metrics_and_figures(
    pipeline: Pipeline, plan: TrainingPlan, trained: TrainedModel
) -> tuple[Mapping[str, float], Mapping[str, "Figure"]]:
    """Metrics and figures; without those of the held-out rows if the model raises on them."""
    dataset = trained.dataset
    counts = _dataset_metrics(plan, trained)
    try:
        predictions = predict(trained.estimator, dataset.held_out_inputs)
    except ValueError as exc:
        log.warning("candidate_raises", cause=str(exc))
        return counts, {}
    loss, labels = training_loss(plan, dataset), dataset.held_out_labels
    segments = _segment_losses(pipeline, trained, loss.of(predictions, labels))
    importance = permutation_importance(plan, dataset, trained.estimator)
    figures = dict(figures_of(predictions, labels, importance, is_class=plan.is_class, classes=plan.classes))
    front = None if trained.search is None else front_figure(trained.search)
    if front is not None:
        figures["plots/search_front.png"] = front
    return {**counts, **loss.metrics(predictions, labels), **segments}, figures


def _dataset_metrics(plan: TrainingPlan, trained: TrainedModel) -> dict[str, float]:
    dataset, loss = trained.dataset, training_loss(plan, trained.dataset)
    counts = {"train_rows": float(len(dataset.train)), "immature_days": float(len(dataset.immature))}
    if dataset.sample:
        counts |= {
            "train_rows_all": float(dataset.train_sample.of),
            "held_out_rows_all": float(dataset.held_out_sample.of),
        }
    if isinstance(loss, SquaredError):
        return {**counts, "train_label_mean": base_rate(dataset), VARIANCE: loss.variance}
    if not plan.classes:
        return {**counts, "train_positive_share": base_rate(dataset)}
    shares = zip(plan.classes, class_shares(plan, dataset).tolist(), strict=True)
    return {**counts, **{f"train_share/{_metric_name(name)}": share for name, share in shares}}


def _segment_losses(pipeline: Pipeline, trained: TrainedModel, losses: Any) -> dict[str, float]:
    """Mean loss of each segment with enough rows, e.g. `holdout_loss/origin:JFK`; MLflow refuses other characters."""
    found = {}
    for column in pipeline.segments:
        if column not in trained.dataset.held_out:
            continue  # the comparison with baselines raises and lists the columns
        for value, rows in trained.dataset.held_out.groupby(column, sort=True).indices.items():
            if len(rows) >= pipeline.retrain.segment_rows_min:
                found[f"holdout_loss/{column}:{_metric_name(value)}"] = float(losses[rows].mean())
    return found


def _metric_name(value: Any) -> str:
    return "".join(sign if sign.isalnum() or sign in "_-. " else "_" for sign in str(value))


def _documents(plan: TrainingPlan, trained: TrainedModel, pins: tuple[str, ...]) -> dict[str, Any]:
    fields = {name: value if isinstance(value, int | str) else str(value) for name, value in asdict(plan).items()}
    immature = [day.isoformat() for day in trained.dataset.immature]
    documents: dict[str, Any] = {
        "plan.json": {**fields, "key": plan.key, "immature": immature},
        "locked-requirements.txt": "\n".join(pins) + "\n",
    }
    if trained.search is not None:
        documents["search.json"] = _search_document(trained.search)
    return documents


def _search_document(found: SearchResult) -> dict[str, Any]:
    tried = [{"parameters": dict(each.parameters), "share": each.share, "loss": each.loss} for each in found.scored]
    return {"found": dict(found.parameters), "seconds": found.seconds, "cut_short": found.cut_short, "tried": tried}


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
