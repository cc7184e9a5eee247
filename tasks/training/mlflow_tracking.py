"""One training as a run of MLflow: what went in, what came out, how it looks, and the model itself, registered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import structlog

from healing.comparison import Compared
from healing.versioning import Lineage
from releases.loader import TRUSTED_TYPES
from releases.manifest import InputSchema
from tasks.training.mlflow_registry import (
    LINEAGE,
    PLAN,
    REVISION,
    SECONDS,
    SHA256,
    VERSION,
    RegisteredModel,
    Registry,
    registered_of,
    registry_client,
)
from tasks.training.skops_canonical import canonical_skops

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

log = structlog.get_logger(__name__)

VALUE_CHARACTERS_MAX = 500  # of a parameter, MLflow's own limit


@dataclass(frozen=True, slots=True)
class Record:
    """What is logged of one training. `plan_key` finds it again; `tags`, `documents` and `figures` are for people.

    `pins` are of the libraries that open the model; every installed one stands in a document. `documents` and `figures`
    map a path in the run's artifacts to a JSON value, a text or a figure.
    """

    plan_key: str
    version: str
    lineage: Lineage
    code_revision: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    schema: InputSchema
    pins: tuple[str, ...]
    training_seconds: float
    is_class: bool = True
    documents: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, "Figure"] = field(default_factory=dict)


def log_and_register(registry: Registry, record: Record, estimator: Any) -> RegisteredModel:
    """Log one training with its model in skops format, and register it; about a second, some more the first time.

    A run that an earlier attempt at the same plan left unfinished is marked as killed.
    """
    import mlflow
    from mlflow import sklearn as mlflow_sklearn

    model_sha256 = model_digest(estimator)
    with registry_client(registry.tracking_uri) as client:
        experiment_id = _experiment(client, registry)
        _end_unfinished(client, experiment_id, record.plan_key)
        mlflow.set_tracking_uri(registry.tracking_uri)
        with mlflow.start_run(experiment_id=experiment_id, run_name=record.version, tags=_tags(record)) as run:
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics({**record.metrics, "training_seconds": record.training_seconds})
            _log_artifacts(record)
            logged = mlflow_sklearn.log_model(
                estimator,
                name="model",
                serialization_format="skops",
                skops_trusted_types=sorted(TRUSTED_TYPES),
                signature=_signature(record.schema, is_class=record.is_class),
                pip_requirements=list(record.pins),
            )
        _create_registered_model(client, registry)
        tags = {PLAN: record.plan_key, VERSION: record.version, SECONDS: repr(record.training_seconds)}
        version = client.create_model_version(
            registry.model_name,
            source=logged.model_uri,
            run_id=run.info.run_id,
            tags={**tags, SHA256: model_sha256},
            model_id=logged.model_id,
        )
        log.info("model_registered", name=registry.model_name, version=record.version, mlflow_version=version.version)
        return registered_of(client, version)


def log_comparisons(registry: Registry, model: RegisteredModel, comparisons: Sequence[Compared]) -> None:
    """Keep with the model's run how it did against its rivals; the last time it was compared stands."""
    with registry_client(registry.tracking_uri) as client:
        client.log_dict(model.run_id, {"comparisons": [asdict(each) for each in comparisons]}, "comparisons.json")


def model_digest(estimator: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical bytes of a fitted model: equal models have equal ones."""
    from skops import io

    return sha256(canonical_skops(io.dumps(estimator))).hexdigest()


def params_of(estimator: Any) -> dict[str, str]:
    """An estimator's parameters, flat and short enough for MLflow (500 characters)."""
    return {
        name: json.dumps(value, default=repr)[:VALUE_CHARACTERS_MAX]
        for name, value in estimator.get_params(deep=True).items()
    }


def _tags(record: Record) -> dict[str, str]:
    lineage = {tag: getattr(record.lineage, part) for part, tag in LINEAGE.items()}
    known = {PLAN: record.plan_key, VERSION: record.version, REVISION: record.code_revision}
    return {**record.tags, **known, **lineage}


def _log_artifacts(record: Record) -> None:
    import mlflow

    for path, document in record.documents.items():
        if isinstance(document, str):
            mlflow.log_text(document, path)
        else:
            mlflow.log_dict(document, path)
    for path, figure in record.figures.items():
        mlflow.log_figure(figure, path)


def _experiment(client: "MlflowClient", registry: Registry) -> str:
    found = client.get_experiment_by_name(registry.model_name)
    if found is not None:
        return str(found.experiment_id)
    location = (registry.artifacts_dir / registry.pipeline).absolute().as_uri()
    return str(client.create_experiment(registry.model_name, artifact_location=location))


def _create_registered_model(client: "MlflowClient", registry: Registry) -> None:
    if not client.search_registered_models(f"name = '{registry.model_name}'"):
        client.create_registered_model(registry.model_name)


def _end_unfinished(client: "MlflowClient", experiment_id: str, plan_key: str) -> None:
    """Mark the runs of a killed attempt; only one retrain of a pipeline runs at a time."""
    filter_string = f"tags.`{PLAN}` = '{plan_key}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], filter_string):
        client.set_terminated(run.info.run_id, status="KILLED")


def _signature(schema: InputSchema, *, is_class: bool) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # Numbers are doubles to a model here, so that a missing value is NaN and not a refusal.
    types = {"string": "string", "double": "double", "long": "double", "boolean": "double"}
    inputs = Schema([ColSpec(types[c.type], c.name, required=not c.nullable) for c in schema.columns])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("long" if is_class else "double")]))
