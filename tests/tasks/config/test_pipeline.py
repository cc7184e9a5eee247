import shutil
from pathlib import Path

import pytest
import yaml

from healing.errors import ConfigError, UsageError
from healing.policy import Policy
from tasks.config.pipeline import known_pipelines, load_pipeline
from tasks.config.table import OWN_TABLES
from tasks.lake.columns import FEATURES
from tasks.monitoring.history import CHECKS
from tasks.serving.prediction_log import FEEDBACK, OUTCOMES, PREDICTIONS, SHADOW

PIPELINES = Path("pipelines")


@pytest.fixture
def folder(tmp_path):
    """A copy of the flights folder, as a user makes one."""
    shutil.copytree(PIPELINES / "flights", tmp_path / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "flights"


def rewrite(folder: Path, change) -> None:
    path = folder / "pipeline.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))


def test_every_bundled_pipeline_loads_with_its_functions():
    for name in known_pipelines(PIPELINES):
        pipeline = load_pipeline(name, PIPELINES)
        assert callable(pipeline.features)
        assert hasattr(pipeline.estimator(), "fit")


def test_the_error_about_an_unknown_pipeline_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown pipeline 'flihgts'; known: .*flights"):
        load_pipeline("flihgts", PIPELINES)


def test_the_error_about_an_empty_folder_names_the_expected_file(tmp_path):
    with pytest.raises(UsageError, match=r"none \(no pipeline.yaml"):
        load_pipeline("flights", tmp_path)


@pytest.mark.parametrize("name", ["../flights", "", "."])
def test_a_name_that_is_a_path_is_unknown(name):
    with pytest.raises(UsageError):
        load_pipeline(name, PIPELINES)


def test_an_unknown_key_is_refused_with_a_suggestion(folder):
    rewrite(folder, lambda document: document["monitor"].update(windw_days=3))
    with pytest.raises(ConfigError, match=r"monitor: unknown key 'windw_days'; did you mean 'window_days'\?"):
        load_pipeline("flights", folder.parent)


def test_an_unknown_key_at_the_top_is_refused(folder):
    rewrite(folder, lambda document: document.update(featurs="a:b"))
    with pytest.raises(ConfigError, match=r"unknown key 'featurs'; did you mean 'features'\?"):
        load_pipeline("flights", folder.parent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["tables"]["flights"].update(key=["flght_id"]), "key names column 'flght_id'"),
        (lambda d: d["tables"]["flights"].update(event_time="carrier"), "not a timestamp"),
        (lambda d: d["tables"]["flights"].update(path="/flights.csv"), "lacks {day}"),
        (lambda d: d["tables"]["weather"].update(role="batch"), "exactly one with role batch, found 2"),
        (lambda d: d.update(timezone="New York"), "no IANA time zone"),
        (lambda d: d["label"].update(table="labels"), "label.table 'labels'"),
        (lambda d: d["label"].update(column="delayed"), "label needs column 'delayed'"),
        (lambda d: d["sources"][1].update(name="primary"), "distinct names"),
        (
            lambda d: d["policy"].update(schema_brake=["retry"]),
            "policy.schema_brake: expected a cause, .* mean 'schema_break'",
        ),
        (
            lambda d: d["policy"].update(quality_drop=["retrane"]),
            r"policy.quality_drop\[0\]: expected a remedy, .* found 'retrane'; did you mean 'retrain'",
        ),
        (lambda d: d["policy"].update(quality_drop=["rollback"]), "treat quality_drop .* 'rollback', which cannot"),
        (lambda d: d["policy"].update(quality_drop="retrain"), "policy.quality_drop: "),
        (lambda d: d.pop("label"), "label: Field required"),
        (lambda d: d.update(name="other"), "expected name: flights"),
        (lambda d: d["tables"]["flights"].update(suite="missing.json"), "suite 'missing.json', which is not in"),
    ],
)
def test_inconsistent_settings_are_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(ConfigError, match=message):
        load_pipeline("flights", folder.parent)


@pytest.mark.parametrize("name", sorted(OWN_TABLES))
def test_a_table_may_not_have_the_name_of_one_that_the_system_writes(folder, name):
    rewrite(folder, lambda document: document["tables"].update({name: document["tables"].pop("weather")}))
    with pytest.raises(ConfigError, match=f"tables: expected other names than .*, found {name}; rename"):
        load_pipeline("flights", folder.parent)


def test_every_table_that_the_system_writes_is_named():
    assert set(OWN_TABLES) == {FEATURES, CHECKS, PREDICTIONS, SHADOW, FEEDBACK, OUTCOMES}


def test_faults_of_the_policy_and_of_the_rest_are_reported_at_once(folder):
    rewrite(folder, lambda d: (d["policy"].update(quality_drop=["rollback"]), d.pop("label")))
    (folder.parent / "policy.yaml").write_text("limits: {attempts_max: 0}")
    with pytest.raises(ConfigError) as caught:
        load_pipeline("flights", folder.parent)
    places = [line.split(": expected")[0].split(": Field")[0] for line in str(caught.value).splitlines()]
    own = folder / "pipeline.yaml"
    assert places == [
        f"{folder.parent / 'policy.yaml'}: limits.attempts_max",
        f"{own}: policy.quality_drop",
        f"{own}: label",
    ]


def test_a_pipeline_without_a_policy_file_has_the_built_in_policy(folder):
    rewrite(folder, lambda document: document.pop("policy"))
    assert load_pipeline("flights", folder.parent).policy == Policy()


def test_text_that_is_not_yaml_is_refused(folder):
    (folder / "pipeline.yaml").write_text("name: [flights")
    with pytest.raises(ConfigError, match="expected YAML"):
        load_pipeline("flights", folder.parent)


def test_functions_of_the_folder_itself_are_found_and_import_each_other(folder):
    (folder / "own.py").write_text("from .constants import ANSWER\n\n\ndef build():\n    return ANSWER\n")
    (folder / "constants.py").write_text("ANSWER = 42\n")
    assert load_pipeline("flights", folder.parent).resolve(".own:build")() == 42


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("pipelines.flights.model", "expected module:function"),
        ("pipelines.flights.modle:build", "cannot import"),
        ("pipelines.flights.model:biuld", "no function 'biuld'"),
        (".modle:build", "cannot import"),
    ],
)
def test_a_missing_function_is_named(reference, message):
    with pytest.raises(ConfigError, match=message):
        load_pipeline("flights", PIPELINES).resolve(reference)


def test_key_and_event_time_are_always_required():
    weather = load_pipeline("flights", PIPELINES).tables["weather"]
    assert weather.needed == {"origin", "observed_at"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"drop": ["carrier"], "hash": ["carrier"]}, "expected each column once.*'carrier'"),
        ({"hash": ["flight_id"]}, "log names the key 'flight_id'"),
        ({"drop": ["origin"]}, r"log.drop names 'origin', which is in segments.*put it in log.hash"),
        ({"share": 1.5}, "log.share"),
        ({"hsah": []}, "log: unknown key 'hsah'; did you mean 'hash'"),
    ],
)
def test_what_cannot_be_left_out_of_the_log_is_refused(folder, section, message):
    rewrite(folder, lambda document: document.update(log=section, segments=["origin"]))
    with pytest.raises(ConfigError, match=message):
        load_pipeline("flights", folder.parent)
