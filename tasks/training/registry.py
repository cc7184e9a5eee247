"""MLflow: the record of every training, and the registry of models, for people and tools to read.

What serves is decided by the release log alone; MLflow may be down without anybody noticing at the gateway.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from healing.errors import RegistryUnavailable
from healing.release import Release
from healing.versioning import Lineage
from releases.loader import TRUSTED_TYPES
from releases.manifest import InputSchema
from releases.store import ModelStore

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = structlog.get_logger(__name__)

MODEL_FILE = "model.skops"  # MLflow's own name for it, inside the model's artifacts
_PLAN, _VERSION, _SECONDS = "autopilot.plan", "autopilot.version", "autopilot.training_seconds"
_REVISION = "autopilot.code_revision"
_LINEAGE = {"features": "autopilot.lineage.features", "estimator": "autopilot.lineage.estimator"}
_ALIASES = ("champion", "challenger", "previous")


@dataclass(frozen=True, slots=True)
class Registry:
    """Address of MLflow, the pipeline's place in it, and where the artifacts of a new experiment go."""

    tracking_uri: str
    pipeline: str
    artifacts_dir: Path

    @property
    def model_name(self) -> str:
        return registered_name(self.pipeline)


@dataclass(frozen=True, slots=True)
class Record:
    """What is logged of one training. `plan_key` finds it again; `tags` are for people."""

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


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of the registered model: everything a manifest needs to know of it, the same at every look."""

    run_id: str
    model_version: str
    version: str
    plan_key: str
    created_at: datetime
    training_seconds: float
    code_revision: str
    metrics: Mapping[str, float]


def registered_name(pipeline: str) -> str:
    """The name of the pipeline's registered model."""
    return f"autopilot-{pipeline}"


def find_registered(registry: Registry, plan_key: str) -> RegisteredModel | None:
    """The model that an earlier run of the same plan registered, if it got that far."""
    with _client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}' and tags.`{_PLAN}` = '{plan_key}'")
        return None if not found else _registered(client, min(found, key=lambda version: int(version.version)))


def registered_versions(registry: Registry) -> frozenset[str]:
    """Every semantic version that was ever given away."""
    with _client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}'")
    return frozenset(version.tags[_VERSION] for version in found if _VERSION in version.tags)


def lineage_of_run(registry: Registry, run_id: str) -> Lineage:
    """What the model of a run was made of. RegistryUnavailable when MLflow does not know the run."""
    with _client(registry.tracking_uri) as client:
        tags = client.get_run(run_id).data.tags
    return Lineage(**{part: tags.get(tag, "") for part, tag in _LINEAGE.items()})


def log_and_register(registry: Registry, record: Record, estimator: Any) -> RegisteredModel:
    """Log one training with its model in skops format, and register it; about a second, some more the first time.

    A run that an earlier attempt at the same plan left unfinished is marked as killed.
    """
    import mlflow
    from mlflow import sklearn as mlflow_sklearn

    with _client(registry.tracking_uri) as client:
        experiment_id = _experiment(client, registry)
        _end_unfinished(client, experiment_id, record.plan_key)
        mlflow.set_tracking_uri(registry.tracking_uri)
        tags = {**record.tags, _PLAN: record.plan_key, _VERSION: record.version, _REVISION: record.code_revision}
        tags |= {_LINEAGE["features"]: record.lineage.features, _LINEAGE["estimator"]: record.lineage.estimator}
        with mlflow.start_run(experiment_id=experiment_id, run_name=record.version, tags=tags) as run:
            mlflow.log_params(dict(record.params))
            mlflow.log_metrics({**record.metrics, "training_seconds": record.training_seconds})
            logged = mlflow_sklearn.log_model(
                estimator,
                name="model",
                serialization_format="skops",
                skops_trusted_types=sorted(TRUSTED_TYPES),
                signature=_signature(record.schema),
                pip_requirements=list(record.pins),
            )
        _create_registered_model(client, registry)
        version = client.create_model_version(
            registry.model_name,
            source=logged.model_uri,
            run_id=run.info.run_id,
            tags={_PLAN: record.plan_key, _VERSION: record.version, _SECONDS: repr(record.training_seconds)},
            model_id=logged.model_id,
        )
        log.info("model_registered", name=registry.model_name, version=record.version, mlflow_version=version.version)
        return _registered(client, version)


def model_bytes(registry: Registry, model: RegisteredModel) -> bytes:
    """The skops bytes of a registered model."""
    import mlflow

    with _client(registry.tracking_uri):
        mlflow.set_tracking_uri(registry.tracking_uri)
        uri = f"models:/{registry.model_name}/{model.model_version}/{MODEL_FILE}"
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)).read_bytes()


def mirror_aliases(tracking_uri: str, pipeline: str, release: Release, release_root: Path) -> None:
    """Point the aliases champion, challenger and previous at what the release names; they decide nothing.

    A model that MLflow does not know (published by other means) has no alias.
    """
    store, name = ModelStore(release_root), registered_name(pipeline)
    named = {
        "champion": release.champion,
        "challenger": release.challenger.model if release.challenger else None,
        "previous": release.fallbacks[0] if release.fallbacks else None,
    }
    with _client(tracking_uri) as client:
        known = {str(version.version) for version in client.search_model_versions(f"name = '{name}'")}
        if not known:
            return
        for alias in _ALIASES:
            model = named[alias]
            version = None if model is None else store.manifest(model.digest).mlflow_model_version
            if version is not None and version in known:
                client.set_registered_model_alias(name, alias, version)
            else:
                client.delete_registered_model_alias(name, alias)


@contextmanager
def _client(tracking_uri: str) -> Iterator["MlflowClient"]:
    """A client of MLflow whose failures are RegistryUnavailable."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        yield MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    except (MlflowException, SQLAlchemyError, OSError) as exc:
        raise RegistryUnavailable(
            f"MLflow at {_shown(tracking_uri)} did not do its part: {_redacted(str(exc), tracking_uri)}"
        ) from exc


def _shown(tracking_uri: str) -> str:
    """The address without what may be a password."""
    return _redacted(tracking_uri, tracking_uri)


def _redacted(text: str, tracking_uri: str) -> str:
    credentials, at, _ = tracking_uri.partition("://")[2].rpartition("@")
    return text.replace(f"{credentials}{at}", "") if at else text


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
    filter_string = f"tags.`{_PLAN}` = '{plan_key}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], filter_string):
        client.set_terminated(run.info.run_id, status="KILLED")


def _signature(schema: InputSchema) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # Numbers are doubles to a model here, so that a missing value is NaN and not a refusal.
    types = {"string": "string", "double": "double", "long": "double", "boolean": "double"}
    inputs = Schema([ColSpec(types[c.type], c.name, required=not c.nullable) for c in schema.columns])
    return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("long")]))


def _registered(client: "MlflowClient", version: Any) -> RegisteredModel:
    """From MLflow's entity, which has no types, and the metrics of its run."""
    tags: Mapping[str, str] = version.tags
    run = client.get_run(version.run_id)
    return RegisteredModel(
        run_id=version.run_id,
        model_version=str(version.version),
        version=tags[_VERSION],
        plan_key=tags[_PLAN],
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
        training_seconds=float(tags[_SECONDS]),
        code_revision=run.data.tags[_REVISION],
        metrics=dict(run.data.metrics),
    )


def params_of(estimator: Any) -> dict[str, str]:
    """An estimator's parameters, flat and short enough for MLflow (500 characters)."""
    return {name: json.dumps(value, default=repr)[:500] for name, value in estimator.get_params(deep=True).items()}
