"""MLflow aliases and environment tags that mirror the release log for people; they decide nothing."""

from typing import TYPE_CHECKING

from healing.release import Release
from releases.release_root import ReleaseRoot
from releases.store import ModelStore
from tasks.training.mlflow_registry import registered_name, registry_client, require_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = "environment"  # tag of a model version: shadow, canary, production or retired


def mirror_aliases(tracking_uri: str, pipeline: str, release: Release, release_root: ReleaseRoot) -> None:
    """Set the aliases and the tag `environment` to what the release names.

    A version is in production, canary or shadow by its part in the release, and retired once it has none. A version
    that was never released has no environment. A model that MLflow does not know (published by other means) has neither
    an alias nor a tag.

    RegistryUnavailable if MLflow does not answer, or its files are away; nothing is made in their place.
    """
    require_store(tracking_uri)
    name = registered_name(pipeline)
    with registry_client(tracking_uri) as client:
        known = {str(version.version): version for version in client.search_model_versions(f"name = '{name}'")}
        if not known:
            return
        versions = _version_by_alias(release, ModelStore(release_root))
        for alias, number in versions.items():
            if number is not None and number in known:
                client.set_registered_model_alias(name, alias, number)
            else:
                client.delete_registered_model_alias(name, alias)
        environments = {versions["champion"]: "production"}
        if release.challenger is not None:
            environments[versions["challenger"]] = release.challenger.mode.value
        for number, version in known.items():
            _set_environment(client, name, number, version.tags.get(ENVIRONMENT), environments.get(number))


def _version_by_alias(release: Release, store: ModelStore) -> dict[str, str | None]:
    """MLflow's version number for each alias; None where the release names no model or MLflow did not train it."""
    models = {
        "champion": release.champion,
        "challenger": release.challenger.model if release.challenger else None,
        "previous": release.fallbacks[0] if release.fallbacks else None,
    }
    return {
        alias: None if model is None else store.manifest(model.digest).mlflow_model_version
        for alias, model in models.items()
    }


def _set_environment(client: "MlflowClient", name: str, number: str, current: str | None, released: str | None) -> None:
    expected = released or (None if current is None else "retired")
    if expected is not None and expected != current:
        client.set_model_version_tag(name, number, ENVIRONMENT, expected)
