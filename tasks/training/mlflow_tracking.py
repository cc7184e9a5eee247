"""One training as an MLflow run: parameters, metrics, figures, documents and the model, which is then registered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from healing.versioning import Lineage
from releases.flavours.sklearn_skops import TRUSTED_TYPES
from releases.manifest import InputSchema, Manifest
from tasks.training.comparison import Comparison
from tasks.training.mlflow_registry import (
    LINEAGE,
    PLAN,
    REVISION,
    SECONDS,
    SHA256,
    VERSION,
    RegisteredModel,
    Registry,
    register_version,
    registry_client,
)
from tasks.training.skops_canonical import canonical_skops

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

RETURNED = "autopilot.returned_until"  # tag of a version: the last day of the comparison by which it returned
VALUE_CHARACTERS_MAX = 500  # MLflow's limit for the value of a parameter


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What is logged of one training. A repeated run finds it by `plan_key`.

    `pins` are the libraries that open the model; a document lists all installed ones. `documents`, `tables` and
    `figures` map a path in the run's artifacts to a JSON value or a text, to columns of equal length, or to a figure.
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
    tables: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)


def log_and_register(registry: Registry, record: TrainingRecord, estimator: Any) -> RegisteredModel:
    """Log one training with its model in skops format, and register the model. Takes about a second.

    A run of the same plan that an earlier, killed attempt left unfinished is marked as killed.
    """
    import mlflow

    model_sha256 = model_digest(estimator)
    with registry_client(registry.tracking_uri) as client:
        experiment_id = _experiment(client, registry)
        _mark_killed_runs(client, experiment_id, record.plan_key)
        mlflow.set_tracking_uri(registry.tracking_uri)
        with mlflow.start_run(experiment_id=experiment_id, run_name=record.version, tags=_run_tags(record)) as run:
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics({**record.metrics, "training_seconds": record.training_seconds})
            _log_artifacts(record)
            logged_model = _log_model(record, estimator)
        tags = {PLAN: record.plan_key, VERSION: record.version, SECONDS: repr(record.training_seconds)}
        return register_version(client, registry, run.info.run_id, logged_model, {**tags, SHA256: model_sha256})


def log_comparisons(registry: Registry, model: RegisteredModel, comparisons: Sequence[Comparison]) -> None:
    """Write the comparisons to the model's run; a later comparison replaces an earlier one."""
    with registry_client(registry.tracking_uri) as client:
        client.log_dict(model.run_id, {"comparisons": [asdict(each) for each in comparisons]}, "comparisons.json")


def log_return(registry: Registry, manifest: Manifest, until: date, document: Mapping[str, Any]) -> None:
    """Tag the version of a champion that returns with the last day it was compared on, and add `document` to its run.

    Nothing happens for a model that MLflow did not train.
    """
    if manifest.mlflow_run_id is None or manifest.mlflow_model_version is None:
        return
    with registry_client(registry.tracking_uri) as client:
        client.set_model_version_tag(registry.model_name, manifest.mlflow_model_version, RETURNED, until.isoformat())
        client.log_dict(manifest.mlflow_run_id, dict(document), f"returns/{until}.json")


def model_digest(estimator: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical bytes of a fitted estimator; equal models have equal digests."""
    from skops import io

    return sha256(canonical_skops(io.dumps(estimator))).hexdigest()


def params_of(estimator: Any) -> dict[str, str]:
    """The estimator's parameters as JSON, cut to MLflow's limit."""
    return {
        name: json.dumps(value, default=repr)[:VALUE_CHARACTERS_MAX]
        for name, value in estimator.get_params(deep=True).items()
    }


def _run_tags(record: TrainingRecord) -> dict[str, str]:
    lineage = {tag: getattr(record.lineage, part) for part, tag in LINEAGE.items()}
    known = {PLAN: record.plan_key, VERSION: record.version, REVISION: record.code_revision}
    return {**record.tags, **known, **lineage}


def _log_artifacts(record: TrainingRecord) -> None:
    import mlflow

    for path, document in record.documents.items():
        if isinstance(document, str):
            mlflow.log_text(document, path)
        else:
            mlflow.log_dict(document, path)
    for path, figure in record.figures.items():
        mlflow.log_figure(figure, path)
    for path, columns in record.tables.items():
        mlflow.log_table(dict(columns), path)


def _log_model(record: TrainingRecord, estimator: Any) -> Any:
    from mlflow import sklearn as mlflow_sklearn

    return mlflow_sklearn.log_model(
        estimator,
        name="model",
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED_TYPES),
        signature=_signature(record.schema, is_class=record.is_class),
        pip_requirements=list(record.pins),
    )


def _experiment(client: "MlflowClient", registry: Registry) -> str:
    found = client.get_experiment_by_name(registry.model_name)
    if found is not None:
        return str(found.experiment_id)
    location = (registry.artifacts_dir / registry.pipeline).absolute().as_uri()
    return str(client.create_experiment(registry.model_name, artifact_location=location))


def _mark_killed_runs(client: "MlflowClient", experiment_id: str, plan_key: str) -> None:
    """Mark unfinished runs of the plan as killed: only one retrain of a pipeline runs at a time."""
    filter_string = f"tags.`{PLAN}` = '{plan_key}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], filter_string):
        client.set_terminated(run.info.run_id, status="KILLED")


def _signature(schema: InputSchema, *, is_class: bool) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # The model gets every number as a double, so that a missing value is NaN and the signature accepts it.
    types = {"string": "string", "double": "double", "long": "double", "boolean": "double"}
    inputs = Schema([ColSpec(types[c.type], c.name, required=not c.nullable) for c in schema.columns])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("long" if is_class else "double")]))
