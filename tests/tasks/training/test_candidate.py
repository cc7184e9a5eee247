"""The steps of a candidate with a real MLflow and a real release root."""

from dataclasses import replace
from pathlib import Path

import pytest

from healing.errors import ConfigError, ModelCorrupt, RegistryUnavailable, UsageError
from healing.release import Challenger, Mode, Reason, Release
from releases.loader import load
from releases.log import trial_of
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.config.log_section import LogSection
from tasks.rollout.release_events import mirror_release
from tasks.training.candidate import TrainingContext, compare_candidate, publish_candidate, register_candidate
from tasks.training.comparison import ComparisonOutcome
from tasks.training.mlflow_aliases import mirror_aliases
from tasks.training.mlflow_registry import Registry, find_registered, model_bytes, registered_name
from tasks.training.plan import plan_training
from tasks.training.reproducibility import require_registered, train_again
from tests.published import NOW, publish_tiny_model
from tests.toy import PIPELINE, day_of, toy_labels, toy_pipeline, write_days

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake of sixty days; module-wide, with its MLflow, whose first use takes seconds."""
    home = tmp_path_factory.mktemp("home")
    write_days(home / "lake", 0, 60)
    return home


@pytest.fixture(scope="module")
def context(home, keys):
    registry = Registry(f"sqlite:///{home}/mlflow/mlflow.db", PIPELINE, home / "mlflow/artifacts")
    return TrainingContext(toy_pipeline(), toy_labels(home / "lake"), registry, home / "releases", keys)


@pytest.fixture(scope="module")
def keys(home):
    return ensure_keys(home / "keys")


def make(context, until, *, champion=None, estimator=None):
    plan = plan_training(context.pipeline, context.labels, day_of(until), estimator)
    return plan, register_candidate(context, plan, champion)


@pytest.fixture(scope="module")
def first(context):
    return make(context, 40)


def test_a_column_of_the_log_section_that_is_no_feature_is_refused(context):
    for section in (LogSection(drop=("knid",)), LogSection(hash=("knid",))):
        misspelt = replace(context, pipeline=context.pipeline.model_copy(update={"log": section}), _cached={})
        with pytest.raises(ConfigError, match=r"found 'knid'; features are kind, x, z; did you mean 'kind'"):
            misspelt.dataset(plan_training(context.pipeline, context.labels, day_of(40), None))


@pytest.fixture(scope="module")
def published(context, first):
    return publish_candidate(context, *first)


@pytest.fixture(scope="module")
def champion(published, home, keys):
    return load(ModelStore(home / "releases").path(published.digest), keys.public)


def test_a_published_model_verifies_loads_and_has_its_provenance_in_its_manifest(champion, first):
    plan, registered = first
    manifest = champion.manifest
    assert manifest.version == "1.0.0"
    assert (manifest.trained_from, manifest.trained_until) == (day_of(0).isoformat(), plan.train_until.isoformat())
    assert manifest.lake_version == plan.features_version
    assert (manifest.mlflow_run_id, manifest.mlflow_model_version) == (registered.run_id, registered.model_version)
    assert manifest.input_schema.names == ("kind", "x", "z")
    assert manifest.input_schema.key == "id"
    assert len(manifest.golden.rows) == 16
    assert manifest.reference.categorical["kind"].keys() == {"a", "b"}
    assert manifest.reference.numeric["x"].median == pytest.approx(0, abs=0.1)
    assert manifest.reference.metrics["holdout_auc"] > 0.7
    assert 0.3 < manifest.baseline < 0.6


def test_a_manifest_has_the_expected_predictions_and_the_importance_of_columns(champion):
    reference = champion.manifest.reference
    assert len(reference.answer_deciles) == 11
    assert list(reference.answer_deciles) == sorted(reference.answer_deciles)
    assert reference.disagreement is None  # there was no champion to disagree with
    assert list(reference.importance) == ["x", "kind", "z"]
    assert reference.importance["x"] > 0.1 > abs(reference.importance["z"])


def test_mlflow_keeps_what_a_reader_needs(context, first):
    """Signature, parameters with the search, metrics, figures, data versions, code revision and every library."""
    import mlflow

    plan, registered = first
    client = mlflow.MlflowClient(context.registry.tracking_uri)
    run = client.get_run(registered.run_id)
    artifacts = {
        found.path
        for found in (*client.list_artifacts(run.info.run_id), *client.list_artifacts(run.info.run_id, "plots"))
    }
    assert artifacts >= {
        "locked-requirements.txt",
        "plan.json",
        "search.json",
        "search_front.json",
        "plots/search_front.png",
        "plots/calibration.png",
        "plots/importance.png",
        "plots/roc_and_precision_recall.png",
    }
    assert run.data.params["search.cut_short"] == "False"
    assert run.data.params["threads"] == "1"
    assert run.data.metrics["holdout_auc"] > 0.7
    assert run.data.tags["autopilot.lake_version.features"] == str(plan.features_version)
    assert run.data.tags["autopilot.code_revision"]
    model = mlflow.models.get_model_info(f"models:/{registered_name(PIPELINE)}/{registered.model_version}")
    assert [column.name for column in model.signature.inputs] == ["kind", "x", "z"]


def test_training_again_gives_the_same_model(context, first, champion):
    plan, registered = first
    again = train_again(context, plan, registered)
    assert (again.same, again.difference, again.why) == (True, 0.0, ())
    assert again.again_sha256 == registered.model_sha256 == champion.manifest.files["model.skops"]


def test_a_model_that_differs_at_every_fit_is_reported_with_the_cause(context):
    plan, registered = make(context, 41, estimator=".model:build_restless_estimator")
    again = train_again(context, plan, registered)
    assert not again.same
    assert again.difference > 0
    assert again.why == ("answers__random_state is None, so every fit draws other random numbers",)


def test_a_plan_that_was_never_trained_cannot_be_trained_again(context):
    with pytest.raises(UsageError, match="without --again first"):
        require_registered(context, plan_training(context.pipeline, context.labels, day_of(44)))


def test_registered_bytes_that_were_changed_are_corrupt(context, first):
    _, registered = first
    with pytest.raises(ModelCorrupt, match="its artifact was changed"):
        model_bytes(context.registry, replace(registered, model_sha256="0" * 64))


def test_the_same_plan_again_finds_the_same_model_and_digest(context, first, published):
    plan, registered = first
    assert register_candidate(context, plan, None) == registered
    assert publish_candidate(context, plan, registered) == published


def test_new_data_give_a_patch_version_and_another_estimator_a_minor_version(context, champion):
    _, patch = make(context, 50, champion=champion)
    _, minor = make(context, 50, champion=champion, estimator=".model:build_blind_estimator")
    assert patch.version == "1.0.1"  # also where the same search found another parameter in them
    assert minor.version == "1.1.0"


def test_a_candidate_is_compared_with_champion_and_base_rate_on_the_same_rows(context, first, champion):
    against_base, against_itself, against_simple = compare_candidate(context, *first, champion).comparisons
    assert against_simple.against == "a simple model"
    assert not against_simple.blocks
    assert against_base.outcome is ComparisonOutcome.WIN
    assert (against_itself.outcome, against_itself.blocks) == (ComparisonOutcome.INCONCLUSIVE, False)
    assert against_itself.gain == pytest.approx(0)
    assert against_base.rows == against_itself.rows


def test_a_candidate_worse_than_the_champion_is_not_better(context, champion):
    blind = make(context, 51, champion=champion, estimator=".model:build_blind_estimator")
    outcomes = {
        compared.against: compared.outcome for compared in compare_candidate(context, *blind, champion).comparisons
    }
    assert outcomes["the champion"] is ComparisonOutcome.WORSE


def test_a_candidate_over_the_latency_budget_is_blocked_by_name_and_the_run_has_the_reason(context, first, champion):
    import mlflow

    search = context.pipeline.retrain.search.model_copy(update={"latency_ms_max": 1e-6})
    rules = context.pipeline.retrain.model_copy(update={"search": search})
    pipeline = context.pipeline.model_copy(update={"retrain": rules})
    pipeline._folder = context.pipeline.folder
    result = compare_candidate(replace(context, pipeline=pipeline), *first, champion)
    [blocking] = [each for each in result.comparisons if each.blocks]
    assert (blocking.against, result.accepted) == ("the latency budget", False)
    run = mlflow.MlflowClient(context.registry.tracking_uri).get_run(first[1].run_id)
    comparisons = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/comparisons.json")["comparisons"]
    assert blocking.reason in [each["reason"] for each in comparisons]
    assert compare_candidate(context, *first, champion).accepted


def test_a_candidate_that_raises_on_later_rows_is_not_better_but_can_be_published(context, champion, home, keys):
    """`skip_comparison` publishes it; its golden rows are rows that it can predict."""
    plan, strict = make(context, 52, champion=champion, estimator=".model:build_strict_estimator")
    compared = compare_candidate(context, plan, strict, champion).comparisons
    assert {each.outcome for each in compared} == {ComparisonOutcome.NOT_BETTER}
    assert "raises" in compared[0].reason
    model = publish_candidate(context, plan, strict)
    assert len(load(ModelStore(home / "releases").path(model.digest), keys.public).manifest.golden.rows) == 16


def test_a_killed_training_is_marked_and_repeated(context):
    import mlflow

    plan = plan_training(context.pipeline, context.labels, day_of(53))
    client = mlflow.MlflowClient(context.registry.tracking_uri)
    experiment = client.get_experiment_by_name(registered_name(PIPELINE))
    left = client.create_run(experiment.experiment_id, tags={"autopilot.plan": plan.key})
    registered = register_candidate(context, plan, None)
    assert client.get_run(left.info.run_id).info.status == "KILLED"
    assert find_registered(context.registry, plan.key) == registered


def test_aliases_and_environments_mirror_the_release(context, home, published):
    import mlflow

    client = mlflow.MlflowClient(context.registry.tracking_uri)
    name, root = registered_name(PIPELINE), home / "releases"
    second = publish_candidate(context, *make(context, 54))
    alone = Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=published, baseline=0.5)
    trial = trial_of(alone, Challenger(second, Mode.CANARY, 0.05), author="test", now=NOW)
    mirror_aliases(context.registry.tracking_uri, PIPELINE, trial, root)
    store = ModelStore(root)
    expected = {
        "champion": store.manifest(published.digest).mlflow_model_version,
        "challenger": store.manifest(second.digest).mlflow_model_version,
    }
    assert {k: str(v) for k, v in client.get_registered_model(name).aliases.items()} == expected
    assert environments(client) == {expected["champion"]: "production", expected["challenger"]: "canary"}
    mirror_aliases(context.registry.tracking_uri, PIPELINE, alone, root)
    assert list(client.get_registered_model(name).aliases) == ["champion"]
    assert environments(client) == {expected["champion"]: "production", expected["challenger"]: "retired"}


def environments(client):
    versions = client.search_model_versions(f"name = '{registered_name(PIPELINE)}'")
    return {str(version.version): version.tags["environment"] for version in versions if "environment" in version.tags}


def test_a_champion_that_mlflow_does_not_know_has_no_alias(context, home, keys, published):
    """The alias of the previous champion is removed, and no version is in production."""
    import mlflow

    client = mlflow.MlflowClient(context.registry.tracking_uri)
    known = Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=published, baseline=0.5)
    mirror_aliases(context.registry.tracking_uri, PIPELINE, known, home / "releases")
    assert list(client.get_registered_model(registered_name(PIPELINE)).aliases) == ["champion"]
    foreign = publish_tiny_model(home / "releases", keys, mlflow_model_version="999")
    unknown = replace(known, generation=2, champion=foreign)
    mirror_aliases(context.registry.tracking_uri, PIPELINE, unknown, home / "releases")
    assert client.get_registered_model(registered_name(PIPELINE)).aliases == {}
    assert "production" not in environments(client).values()


def test_a_store_that_is_away_is_never_made_anew_and_is_mirrored_to_when_it_is_back(context, home, published, champion):
    import mlflow

    uri = context.registry.tracking_uri
    store, away = Path(uri.removeprefix("sqlite:///")).parent, home / "away"
    release = Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=published, baseline=0.5)
    store.rename(away)
    try:
        assert not mirror_release(uri, release, context.release_root)
        with pytest.raises(RegistryUnavailable, match="found none; bring it back"):
            register_candidate(context, plan_training(context.pipeline, context.labels, day_of(55)), champion)
        assert not store.exists()
    finally:
        away.rename(store)
    assert mirror_release(uri, release, context.release_root)
    aliases = mlflow.MlflowClient(uri).get_registered_model(registered_name(PIPELINE)).aliases
    assert [str(version) for version in aliases.values()] == [champion.manifest.mlflow_model_version]


def test_mirroring_a_pipeline_without_a_registered_model_registers_nothing(context, home, published):
    import mlflow

    release = Release(1, NOW, "other", "test", Reason.BOOTSTRAP, champion=published, baseline=0.5)
    mirror_aliases(context.registry.tracking_uri, "other", release, home / "releases")
    client = mlflow.MlflowClient(context.registry.tracking_uri)
    assert [model.name for model in client.search_registered_models()] == [registered_name(PIPELINE)]
