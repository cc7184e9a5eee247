"""MLflow: the record of every training, and the registry of models, for people and tools to read.

What serves is decided by the release log alone; MLflow may be down without anybody noticing at the gateway.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from healing.errors import ModelCorrupt, RegistryUnavailable
from healing.release import Release
from healing.versioning import Lineage
from releases.store import ModelStore
from tasks.training.skops_canonical import canonical_skops

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FILE = "model.skops"  # MLflow's own name for it, inside the model's artifacts

# Tags of a run or a model version.
PLAN, VERSION, SECONDS = "autopilot.plan", "autopilot.version", "autopilot.training_seconds"
REVISION, SHA256 = "autopilot.code_revision", "autopilot.model_sha256"
LINEAGE = {
    "features": "autopilot.lineage.features",
    "estimator": "autopilot.lineage.estimator",
    "search": "autopilot.lineage.search",
}
ENVIRONMENT = "environment"  # of a model version: shadow, canary, production or retired


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
class RegisteredModel:
    """A version of the registered model: everything a manifest needs to know of it, the same at every look.

    `model_sha256` is that of its canonical bytes; empty where it was registered before they were noted.
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
    """The name of the pipeline's registered model."""
    return f"autopilot-{pipeline}"


def find_registered(registry: Registry, plan_key: str) -> RegisteredModel | None:
    """The model that an earlier run of the same plan registered, if it got that far."""
    with registry_client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}' and tags.`{PLAN}` = '{plan_key}'")
        return None if not found else registered_of(client, min(found, key=lambda version: int(version.version)))


def registered_versions(registry: Registry) -> frozenset[str]:
    """Every semantic version that was ever given away."""
    with registry_client(registry.tracking_uri) as client:
        found = client.search_model_versions(f"name = '{registry.model_name}'")
    return frozenset(version.tags[VERSION] for version in found if VERSION in version.tags)


def lineage_of_run(registry: Registry, run_id: str) -> Lineage:
    """What the model of a run was made of. RegistryUnavailable when MLflow does not know the run."""
    with registry_client(registry.tracking_uri) as client:
        tags = client.get_run(run_id).data.tags
    return Lineage(**{part: tags.get(tag, "") for part, tag in LINEAGE.items()})


def model_bytes(registry: Registry, model: RegisteredModel) -> bytes:
    """The canonical skops bytes of a registered model; ModelCorrupt when they are not those that were registered."""
    import mlflow

    with registry_client(registry.tracking_uri):
        mlflow.set_tracking_uri(registry.tracking_uri)
        uri = f"models:/{registry.model_name}/{model.model_version}/{MODEL_FILE}"
        stored = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)).read_bytes()
    content = canonical_skops(stored)
    found = sha256(content).hexdigest()
    if model.model_sha256 not in ("", found):
        raise ModelCorrupt(
            f"registered model {model.model_version} of {registry.model_name} should have SHA-256 "
            f"{model.model_sha256}, found {found}: its artifact was changed; train again under another plan"
        )
    return content


def mirror_aliases(tracking_uri: str, pipeline: str, release: Release, release_root: Path) -> None:
    """Point the aliases and the tag `environment` at what the release names; they decide nothing.

    A version is in production, canary or shadow by its part in the release, and retired once it has none any more; one
    that was never on trial has no environment. A model that MLflow does not know (published by other means) has
    neither alias nor tag.
    """
    store, name, trial = ModelStore(release_root), registered_name(pipeline), release.challenger
    named = {
        "champion": release.champion,
        "challenger": trial.model if trial else None,
        "previous": release.fallbacks[0] if release.fallbacks else None,
    }
    with registry_client(tracking_uri) as client:
        known = {str(version.version): version for version in client.search_model_versions(f"name = '{name}'")}
        if not known:
            return
        version_of = {
            alias: model and store.manifest(model.digest).mlflow_model_version for alias, model in named.items()
        }
        for alias, version in version_of.items():
            if version is not None and version in known:
                client.set_registered_model_alias(name, alias, version)
            else:
                client.delete_registered_model_alias(name, alias)
        environments = {version_of["champion"]: "production"}
        if trial is not None:
            environments[version_of["challenger"]] = trial.mode.value
        for number, version in known.items():
            found = version.tags.get(ENVIRONMENT)
            expected = environments.get(number, None if found is None else "retired")
            if expected is not None and expected != found:
                client.set_model_version_tag(name, number, ENVIRONMENT, expected)


@contextmanager
def registry_client(tracking_uri: str) -> Iterator["MlflowClient"]:
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


def registered_of(client: "MlflowClient", version: Any) -> RegisteredModel:
    """From MLflow's entity, which has no types, and the metrics of its run."""
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
