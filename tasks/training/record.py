"""What is kept of a training: its version by rule, parameters, metrics, figures, and where all of it came from."""

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog

from healing.versioning import Lineage, first, following
from releases.loader import LoadedModel
from tasks.config.pipeline import Pipeline
from tasks.evaluation.losses import VARIANCE, SquaredError
from tasks.lake.columns import LABEL
from tasks.training.answers import predict
from tasks.training.figures import figures_of
from tasks.training.importance import importance_of
from tasks.training.mlflow_registry import Registry, lineage_of_run, registered_versions
from tasks.training.mlflow_tracking import Record, params_of
from tasks.training.provenance import code_revision, installed_environment, source_sha256
from tasks.training.search import Found
from tasks.training.training import Trained, TrainingPlan, as_inputs, base_rate, loss_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = structlog.get_logger(__name__)

SEARCH_CUT_SHORT = "search.cut_short"  # parameter of a run: the time was up, so the search may end elsewhere next time


def record_of(
    pipeline: Pipeline, plan: TrainingPlan, trained: Trained, registry: Registry, champion: LoadedModel | None
) -> Record:
    """Everything of one training that MLflow keeps besides the model."""
    environment = installed_environment()
    lineage = _lineage(pipeline, plan, trained)
    metrics, figures = _shown(pipeline, plan, trained)
    return Record(
        plan_key=plan.key,
        version=_version(registry, lineage, champion),
        lineage=lineage,
        code_revision=code_revision(),
        params=params_of_training(plan, trained),
        metrics=metrics,
        tags=_tags(plan),
        schema=trained.rows.schema,
        pins=environment.model_pins,
        training_seconds=trained.seconds,
        is_class=plan.output == "probability",
        documents=_documents(plan, trained, environment.pins),
        figures=figures,
    )


def params_of_training(plan: TrainingPlan, trained: Trained) -> dict[str, str]:
    """The fitted estimator's parameters and how they were found."""
    params = {**params_of(trained.estimator), "estimator": plan.estimator, "threads": str(plan.threads)}
    found = trained.found
    if found is None:
        return params
    return {
        **params,
        "search.fitted": str(len(found.tried)),
        "search.found": ", ".join(sorted(found.parameters)) or "the estimator as written",
        SEARCH_CUT_SHORT: str(found.cut_short),
    }


def _lineage(pipeline: Pipeline, plan: TrainingPlan, trained: Trained) -> Lineage:
    """Of the estimator as it is written: what a search finds around it comes of the data."""
    schema = trained.rows.schema.model_dump_json()
    written = pipeline.resolve(plan.estimator)()
    estimator = repr(sorted(params_of(written).items()))
    return Lineage(
        features=sha256(f"{schema}{source_sha256(pipeline.features)}".encode()).hexdigest(),
        estimator=sha256(f"{type(written).__qualname__}{estimator}".encode()).hexdigest(),
        search="" if plan.search is None else sha256(plan.search.model_dump_json().encode()).hexdigest(),
    )


def _version(registry: Registry, lineage: Lineage, champion: LoadedModel | None) -> str:
    taken = registered_versions(registry)
    if champion is None:
        return first(taken)
    run_id = champion.manifest.mlflow_run_id
    previous = Lineage("", "") if run_id is None else lineage_of_run(registry, run_id)
    return following(champion.manifest.version, previous, lineage, taken)


def _shown(
    pipeline: Pipeline, plan: TrainingPlan, trained: Trained
) -> tuple[Mapping[str, float], Mapping[str, "Figure"]]:
    """Metrics and figures of the held-out rows; without those if the model raises on them."""
    rows, loss = trained.rows, loss_on(plan, trained.rows)
    counted = {"train_rows": float(len(rows.learned)), "immature_days": float(len(rows.immature))}
    if isinstance(loss, SquaredError):
        counted |= {"train_label_mean": base_rate(rows), VARIANCE: loss.variance}
    else:
        counted |= {"train_positive_share": base_rate(rows)}
    labels = rows.held_out[LABEL].to_numpy()
    try:
        answers = predict(trained.estimator, as_inputs(rows.held_out, rows.schema))
    except ValueError as exc:
        log.warning("candidate_raises", cause=str(exc))
        return counted, {}
    found = {**counted, **loss.metrics(answers, labels), **_by_segment(pipeline, trained, loss.of(answers, labels))}
    importance = importance_of(plan, rows, trained.estimator)
    return found, figures_of(answers, labels, importance, is_class=plan.output == "probability")


def _by_segment(pipeline: Pipeline, trained: Trained, losses: Any) -> dict[str, float]:
    """Mean loss of each segment that is large enough, e.g. `holdout_loss/origin:JFK`; other signs become `_`."""
    found = {}
    for column in pipeline.segments:
        if column not in trained.rows.held_out:
            continue  # meeting the rivals says which columns there are
        for value, rows in trained.rows.held_out.groupby(column, sort=True).indices.items():
            if len(rows) >= pipeline.retrain.segment_rows_min:
                segment = "".join(sign if sign.isalnum() or sign in "_-. " else "_" for sign in str(value))
                found[f"holdout_loss/{column}:{segment}"] = float(losses[rows].mean())
    return found


def _documents(plan: TrainingPlan, trained: Trained, pins: tuple[str, ...]) -> dict[str, Any]:
    written = {name: value if isinstance(value, int | str) else str(value) for name, value in asdict(plan).items()}
    documents: dict[str, Any] = {
        "plan.json": {**written, "key": plan.key, "immature": [day.isoformat() for day in trained.rows.immature]},
        "locked-requirements.txt": "\n".join(pins) + "\n",
    }
    if trained.found is not None:
        documents["search.json"] = _tried(trained.found)
    return documents


def _tried(found: Found) -> dict[str, Any]:
    tried = [{"parameters": dict(each.parameters), "share": each.share, "loss": each.loss} for each in found.tried]
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
