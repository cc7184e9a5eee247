"""The MLflow model registry: registered versions of a pipeline's model, and the bytes behind them.

The release log alone decides what serves. MLflow is for people and tools; the gateway does not notice its absence.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import structlog

from healing.errors import ModelCorrupt, RegistryUnavailable
from healing.versioning import Lineage
from tasks.training.skops_canonical import canonical_skops

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = structlog.get_logger(__name__)

MODEL_FILE = "model.skops"  # MLflow's own name for it, inside the model's artifacts

RETRIES_MAX = 3  # of a request to an MLflow server

# Tags of a run or a model version.
PLAN, VERSION, SECONDS = "autopilot.plan", "autopilot.version", "autopilot.training_seconds"
REVISION, SHA256 = "autopilot.code_revision", "autopilot.model_sha256"
LINEAGE = {
    "features": "autopilot.lineage.features",
    "estimator": "autopilot.lineage.estimator",
    "search": "autopilot.lineage.search",
}


@dataclass(frozen=True, slots=True)
class Registry:
    """MLflow's address, the pipeline whose model is registered, and where a new experiment keeps its artifacts."""

    tracking_uri: str
    pipeline: str
    artifacts_dir: Path

    @property
    def model_name(self) -> str:
        return registered_name(self.pipeline)


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of the registered model, with everything that its manifest needs; equal on every read.

    `model_sha256` is the digest of its canonical bytes; empty if it was registered before digests were recorded.
    """

    run_id: str
    model_version: str
    version: str
    plan_key: str
    created_at: datetime
    training_seconds: float
    code_revision: str
    metrics: Mapping[str, float]
    params: Mapping[str, str] = field(default_factory=dict)
    model_sha256: str = ""


def registered_name(pipeline: str) -> str:
    """Name of the pipeline's registered model."""
    return f"autopilot-{pipeline}"


def find_registered(registry: Registry, plan_key: str) -> RegisteredModel | None:
    """The model that an earlier run of the same plan registered, if there is one."""
    with registry_client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}' and tags.`{PLAN}` = '{plan_key}'")
        return None if not found else _registered(client, min(found, key=lambda version: int(version.version)))


def registered_versions(registry: Registry) -> frozenset[str]:
    """Every semantic version that was ever assigned."""
    with registry_client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}'")
    return frozenset(version.tags[VERSION] for version in found if VERSION in version.tags)


def lineage_of_run(registry: Registry, run_id: str) -> Lineage:
    """Lineage of the model that a run trained. RegistryUnavailable when MLflow does not know the run."""
    with registry_client(registry.tracking_uri) as client:
        tags = client.get_run(run_id).data.tags
    return Lineage(**{part: tags.get(tag, "") for part, tag in LINEAGE.items()})


def register_version(
    client: "MlflowClient", registry: Registry, run_id: str, logged_model: Any, tags: Mapping[str, str]
) -> RegisteredModel:
    """Register the model that a run logged as the next version."""
    if not client.search_registered_models(f"name = '{registry.model_name}'"):
        client.create_registered_model(registry.model_name)
    version = client.create_model_version(
        registry.model_name,
        source=logged_model.model_uri,
        run_id=run_id,
        tags=dict(tags),
        model_id=logged_model.model_id,
    )
    log.info("model_registered", name=registry.model_name, version=tags[VERSION], mlflow_version=version.version)
    return _registered(client, version)


def model_bytes(registry: Registry, model: RegisteredModel) -> bytes:
    """Canonical skops bytes of a registered model. ModelCorrupt when they are not the bytes that were registered."""
    import mlflow

    with registry_client(registry.tracking_uri):
        mlflow.set_tracking_uri(registry.tracking_uri)
        uri = f"models:/{registry.model_name}/{model.model_version}/{MODEL_FILE}"
        stored = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)).read_bytes()
    content = canonical_skops(stored)
    found = sha256(content).hexdigest()
    if model.model_sha256 not in ("", found):
        raise ModelCorrupt(
            f"expected registered model {model.model_version} of {registry.model_name} to have SHA-256 "
            f"{model.model_sha256}, found {found}: its artifact was changed; retrain with another plan"
        )
    return content


def require_store(tracking_uri: str) -> None:
    """RegistryUnavailable if the store is a file or a directory that is not there.

    For callers that know that it was there: MLflow would make an empty one beside the real one.
    """
    parts = urlsplit(tracking_uri)
    path = Path(unquote(parts.path.removeprefix("/") if parts.scheme == "sqlite" else parts.path))
    if parts.scheme in ("sqlite", "", "file") and not path.exists():
        raise RegistryUnavailable(f"expected MLflow's store at {tracking_uri}, found none; bring it back")


@contextmanager
def registry_client(tracking_uri: str) -> Iterator["MlflowClient"]:
    """A client of MLflow. Failures of MLflow inside the block become RegistryUnavailable.

    A request is repeated RETRIES_MAX times, which takes 12 s, and not for the four minutes of MLflow's default: the
    healer repeats what fails.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES_MAX))
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        yield MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    except (MlflowException, SQLAlchemyError, OSError) as exc:
        address, cause = _without_password(tracking_uri, tracking_uri), _without_password(str(exc), tracking_uri)
        raise RegistryUnavailable(f"expected MLflow at {address} to answer, found {cause}") from exc


def _without_password(text: str, tracking_uri: str) -> str:
    """`text` without the user name and password that `tracking_uri` contains."""
    credentials, at, _ = tracking_uri.partition("://")[2].rpartition("@")
    return text.replace(f"{credentials}{at}", "") if at else text


def _registered(client: "MlflowClient", version: Any) -> RegisteredModel:
    """Built from MLflow's untyped version entity and the metrics of its run."""
    tags: Mapping[str, str] = version.tags
    run = client.get_run(version.run_id)
    return RegisteredModel(
        run_id=version.run_id,
        model_version=str(version.version),
        version=tags[VERSION],
        plan_key=tags[PLAN],
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
        training_seconds=float(tags[SECONDS]),
        code_revision=run.data.tags[REVISION],
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        model_sha256=tags.get(SHA256, ""),
    )
