"""A candidate's way through a real MLflow and a real release root."""

from dataclasses import replace

import pytest

from healing.comparison import Comparison
from healing.errors import ModelCorrupt, RegistryUnavailable, UsageError
from healing.release import Challenger, Mode, ModelRef, Reason, Release
from releases.loader import load
from releases.log import trial_of
from releases.signing import ensure_keys
from releases.store import ModelStore
from tasks.training.candidate import Workshop, compare_candidate, plan_training, publish_candidate, register_candidate
from tasks.training.mlflow_registry import Registry, find_registered, mirror_aliases, model_bytes, registered_name
from tasks.training.reproducibility import train_again
from tests.published import NOW
from tests.toy import PIPELINE, day_of, toy_labels, toy_pipeline, write_days

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow about its own types, on import


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A lake of sixty days; module-wide, with its MLflow, whose first use takes seconds."""
    home = tmp_path_factory.mktemp("home")
    write_days(home / "lake", 0, 60)
    return home


@pytest.fixture(scope="module")
def workshop(home):
    registry = Registry(f"sqlite:///{home}/mlflow/mlflow.db", PIPELINE, home / "mlflow/artifacts")
    return Workshop(toy_pipeline(), toy_labels(home / "lake"), registry)


@pytest.fixture(scope="module")
def keys(home):
    return ensure_keys(home / "keys")


def make(workshop, until, *, champion=None, estimator=None):
    plan = plan_training(workshop.pipeline, workshop.labels, day_of(until), estimator)
    return plan, register_candidate(workshop, plan, champion)


@pytest.fixture(scope="module")
def first(workshop):
    return make(workshop, 40)


@pytest.fixture(scope="module")
def published(workshop, first, home, keys):
    return publish_candidate(workshop, *first, home / "releases", keys)


@pytest.fixture(scope="module")
def champion(published, home, keys):
    return load(ModelStore(home / "releases").path(published.digest), keys.public)


def test_what_is_published_verifies_loads_and_says_where_it_comes_from(champion, first):
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


def test_a_manifest_says_what_the_model_should_answer_live_and_by_which_columns(champion):
    reference = champion.manifest.reference
    assert len(reference.answer_deciles) == 11
    assert list(reference.answer_deciles) == sorted(reference.answer_deciles)
    assert reference.disagreement is None  # there was no champion to disagree with
    assert list(reference.importance) == ["x", "kind", "z"]
    assert reference.importance["x"] > 0.1 > abs(reference.importance["z"])


def test_mlflow_has_what_a_reader_asks_for(workshop, first):
    """Signature, parameters with the search, metrics, figures, data versions, code revision and every library."""
    import mlflow

    plan, registered = first
    client = mlflow.MlflowClient(workshop.registry.tracking_uri)
    run = client.get_run(registered.run_id)
    artifacts = {
        found.path
        for found in (*client.list_artifacts(run.info.run_id), *client.list_artifacts(run.info.run_id, "plots"))
    }
    assert artifacts >= {
        "locked-requirements.txt",
        "plan.json",
        "search.json",
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


def test_training_again_makes_the_same_model(workshop, first, champion):
    plan, registered = first
    again = train_again(workshop, plan)
    assert (again.same, again.difference, again.why) == (True, 0.0, ())
    assert again.again_sha256 == registered.model_sha256 == champion.manifest.files["model.skops"]


def test_a_model_that_is_another_each_time_says_why(workshop):
    plan, _ = make(workshop, 41, estimator=".model:build_restless_estimator")
    again = train_again(workshop, plan)
    assert not again.same
    assert again.difference > 0
    assert again.why == ("answers__random_state is None: its draws differ from fit to fit",)


def test_a_plan_that_was_never_trained_cannot_be_trained_again(workshop):
    with pytest.raises(UsageError, match="without --again first"):
        train_again(workshop, plan_training(workshop.pipeline, workshop.labels, day_of(44), None))


def test_registered_bytes_that_were_changed_are_corrupt(workshop, first):
    _, registered = first
    with pytest.raises(ModelCorrupt, match="its artifact was changed"):
        model_bytes(workshop.registry, replace(registered, model_sha256="0" * 64))


def test_the_same_plan_again_finds_the_same_model_and_digest(workshop, first, published, home, keys):
    plan, registered = first
    assert register_candidate(workshop, plan, None) == registered
    assert publish_candidate(workshop, plan, registered, home / "releases", keys) == published


def test_new_data_make_a_patch_and_another_estimator_a_minor(workshop, champion):
    _, patch = make(workshop, 50, champion=champion)
    _, minor = make(workshop, 50, champion=champion, estimator=".model:build_blind_estimator")
    assert patch.version == "1.0.1"  # also where the same search found another parameter in them
    assert minor.version == "1.1.0"


def test_a_candidate_meets_champion_and_base_rate_on_the_same_rows(workshop, first, champion):
    against_base, against_itself, against_simple = compare_candidate(workshop, *first, champion).comparisons
    assert against_simple.against == "a simple model"
    assert not against_simple.blocks
    assert against_base.outcome is Comparison.WIN
    assert against_itself.outcome is Comparison.NOT_BETTER
    assert against_itself.gain == pytest.approx(0)
    assert against_base.rows == against_itself.rows


def test_a_candidate_worse_than_the_champion_is_not_better(workshop, champion):
    blind = make(workshop, 51, champion=champion, estimator=".model:build_blind_estimator")
    outcomes = {
        compared.against: compared.outcome for compared in compare_candidate(workshop, *blind, champion).comparisons
    }
    assert outcomes["the champion"] is Comparison.NOT_BETTER


def test_a_candidate_that_raises_on_later_rows_is_not_better_but_can_be_published(workshop, champion, home, keys):
    """A person may insist on it; its golden rows are rows that it answers."""
    plan, strict = make(workshop, 52, champion=champion, estimator=".model:build_strict_estimator")
    compared = compare_candidate(workshop, plan, strict, champion).comparisons
    assert {each.outcome for each in compared} == {Comparison.NOT_BETTER}
    assert "raises" in compared[0].reason
    model = publish_candidate(workshop, plan, strict, home / "releases", keys)
    assert len(load(ModelStore(home / "releases").path(model.digest), keys.public).manifest.golden.rows) == 16


def test_a_killed_training_is_marked_and_done_again(workshop, home):
    import mlflow

    plan = plan_training(workshop.pipeline, workshop.labels, day_of(53), None)
    client = mlflow.MlflowClient(workshop.registry.tracking_uri)
    experiment = client.get_experiment_by_name(registered_name(PIPELINE))
    left = client.create_run(experiment.experiment_id, tags={"autopilot.plan": plan.key})
    registered = register_candidate(workshop, plan, None)
    assert client.get_run(left.info.run_id).info.status == "KILLED"
    assert find_registered(workshop.registry, plan.key) == registered


def test_aliases_and_environments_follow_the_release(workshop, home, keys, published):
    import mlflow

    client = mlflow.MlflowClient(workshop.registry.tracking_uri)
    name, root = registered_name(PIPELINE), home / "releases"
    second = publish_candidate(workshop, *make(workshop, 54), root, keys)
    alone = Release(1, NOW, PIPELINE, "test", Reason.BOOTSTRAP, champion=published, baseline=0.5)
    trial = trial_of(alone, Challenger(second, Mode.CANARY, 0.05), author="test", now=NOW)
    mirror_aliases(workshop.registry.tracking_uri, PIPELINE, trial, root)
    store = ModelStore(root)
    expected = {
        "champion": store.manifest(published.digest).mlflow_model_version,
        "challenger": store.manifest(second.digest).mlflow_model_version,
    }
    assert {k: str(v) for k, v in client.get_registered_model(name).aliases.items()} == expected
    assert environments(client) == {expected["champion"]: "production", expected["challenger"]: "canary"}
    mirror_aliases(workshop.registry.tracking_uri, PIPELINE, alone, root)
    assert list(client.get_registered_model(name).aliases) == ["champion"]
    assert environments(client) == {expected["champion"]: "production", expected["challenger"]: "retired"}


def environments(client):
    versions = client.search_model_versions(f"name = '{registered_name(PIPELINE)}'")
    return {str(version.version): version.tags["environment"] for version in versions if "environment" in version.tags}


def test_a_model_that_mlflow_does_not_know_has_no_alias(tmp_path):
    release = Release(1, NOW, "other", "test", Reason.BOOTSTRAP, champion=ModelRef("0" * 64, "1.0.0"), baseline=0.5)
    mirror_aliases(f"sqlite:///{tmp_path}/mlflow.db", "other", release, tmp_path)


def test_a_registry_that_is_no_database_is_unavailable(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"not a database " * 100)
    with pytest.raises(RegistryUnavailable, match="did not do its part"):
        find_registered(Registry(f"sqlite:///{tmp_path}/mlflow.db", PIPELINE, tmp_path), "0" * 64)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryUnavailable, match=r"http://127\.0\.0\.1:1 ") as raised:
        find_registered(Registry("http://someone:secret@127.0.0.1:1", PIPELINE, tmp_path), "0" * 64)
    assert "secret@" not in str(raised.value)
