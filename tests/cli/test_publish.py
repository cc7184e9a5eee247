"""`autopilot publish`: a file of another origin becomes a signed model that loads and answers as its library does."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops import io
from typer.testing import CliRunner

from cli.main import app
from healing.errors import ModelCorrupt, UsageError
from healing.release import ModelRef
from releases.loader import load
from releases.manifest import Column, Manifest
from releases.signing import PUBLIC_KEY_FILE, ensure_keys
from releases.store import ModelStore
from tests.published import bootstrap, publish_tiny_model

_GENERATOR = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "id": [f"r{number}" for number in range(240)],
        "carrier": _GENERATOR.choice(["AA", "B6", "UA"], 240),
        "distance": _GENERATOR.uniform(0, 9, 240).round(3),
        "hour": _GENERATOR.integers(0, 24, 240),
    }
)
LATE = (FRAME["distance"] + 3 * (FRAME["carrier"] == "UA") > 6).astype(int)
DAYS = ["--trained-from", "2013-01-01", "--trained-until", "2013-02-28"]


def estimator():
    encoded = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    return make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(FRAME.drop(columns="id"), LATE)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def files(home) -> Path:
    """A folder with a model of scikit-learn and rows as CSV and Parquet."""
    folder = home / "given"
    folder.mkdir()
    (folder / "model.skops").write_bytes(io.dumps(estimator()))
    FRAME.to_csv(folder / "rows.csv", index=False)
    FRAME.to_parquet(folder / "rows.parquet")
    return folder


def publish(model: Path, rows: Path, *options: str) -> dict[str, object]:
    words = ["publish", "flights", str(model), "--rows", str(rows), *DAYS, "--key", "id", "--json", *options]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def manifest_of(home: Path, report: dict[str, object]) -> Manifest:
    return ModelStore(home / "releases" / "flights").manifest(report["digest"])


def test_a_published_file_answers_as_the_estimator_that_it_was_made_of(home, files):
    report = publish(files / "model.skops", files / "rows.csv")
    loaded = load(home / "releases" / "flights" / "models" / report["digest"], home / "keys" / PUBLIC_KEY_FILE)
    assert loaded.predict(FRAME) == pytest.approx(estimator().predict_proba(FRAME.drop(columns="id"))[:, 1])
    manifest = loaded.manifest
    assert (report["version"], report["result"]) == ("1.0.0", "published")
    assert (manifest.trained_from, manifest.trained_until) == ("2013-01-01", "2013-02-28")
    assert manifest.input_schema.key == "id"


def test_parquet_keeps_its_types_and_whole_numbers_of_a_csv_may_get_fractions(home, files):
    types = {}
    for rows in ("rows.csv", "rows.parquet"):
        schema = manifest_of(home, publish(files / "model.skops", files / rows)).input_schema
        types[rows] = {column.name: column.type for column in schema.columns}
    assert types["rows.csv"] == {"carrier": "string", "distance": "double", "hour": "double"}
    assert types["rows.parquet"] == {"carrier": "string", "distance": "double", "hour": "long"}


def test_publishing_the_same_file_again_changes_nothing_unless_a_version_is_given(home, files):
    first = publish(files / "model.skops", files / "rows.csv")
    again = publish(files / "model.skops", files / "rows.csv")
    assert (again["digest"], again["result"]) == (first["digest"], "published before")
    named = publish(files / "model.skops", files / "rows.csv", "--version", "1.2.0")
    assert (named["version"], named["result"]) == ("1.2.0", "published")
    with pytest.raises(UsageError, match=r"version 1\.2\.0 is that of a published model"):
        publish(files / "model.skops", files / "rows.csv", "--version", "1.2.0")


def test_columns_that_the_champion_reads_have_its_types_and_differences_are_reported(home, files):
    root = home / "releases" / "flights"
    champion = publish_tiny_model(root, ensure_keys(home / "keys"), version="1.0.3")
    bootstrap(root, champion)
    rows = FRAME.assign(wind=FRAME["hour"] / 2)[["id", "carrier", "hour", "wind"]]
    rows.to_csv(files / "wind.csv", index=False)
    encoded = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
    fitted = make_pipeline(encoded, LogisticRegression(max_iter=1000)).fit(rows.drop(columns="id"), LATE)
    (files / "wind.skops").write_bytes(io.dumps(fitted))
    report = publish(files / "wind.skops", files / "wind.csv")
    assert (report["new_columns"], report["unused_columns"]) == (["wind"], ["distance"])
    assert report["version"] == "2.0.0"
    read, found = (
        {column.name: column for column in ModelStore(root).manifest(digest).input_schema.columns}
        for digest in (champion.digest, report["digest"])
    )
    assert found["hour"] == read["hour"]
    assert read["hour"].type == "long"


def test_a_model_of_the_champions_columns_is_the_next_minor_version(home, files):
    first = publish(files / "model.skops", files / "rows.csv")
    bootstrap(home / "releases" / "flights", ModelRef(str(first["digest"]), str(first["version"])))
    second = publish(files / "model.skops", files / "rows.csv", "--trained-until", "2013-03-31")
    assert (second["version"], second["new_columns"], second["unused_columns"]) == ("1.1.0", [], [])


@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")
@pytest.mark.filterwarnings("ignore:.*integer column:UserWarning")
def test_an_mlflow_directory_is_opened_only_when_the_person_says_so(home, files):
    import mlflow.sklearn

    mlflow.sklearn.save_model(estimator(), files / "mlflow")
    with pytest.raises((ModelCorrupt, UsageError), match="pyfunc"):
        publish(files / "mlflow", files / "rows.parquet", "--output", "label", "--names", "0,1")
    report = publish(files / "mlflow", files / "rows.parquet", "--output", "label", "--names", "0,1", "--allow-pyfunc")
    assert report["flavor"] == "mlflow-pyfunc"
    answers = estimator().predict(FRAME.drop(columns="id"))[:16]
    assert manifest_of(home, report).golden.outputs == tuple(answers.astype(float))


@pytest.mark.parametrize(
    ("name", "options", "found"),
    [
        ("model.pkl", [], "is a pickle, which may run any code"),
        ("model.bin", [], "found the suffix '.bin'; give --flavor"),
        ("model.skops", ["--flavor", "tensorflow"], "found tensorflow"),
        ("missing.skops", [], "found nothing"),
        ("model.skops", ["--output", "odds"], "found 'odds'"),
        ("model.skops", ["--output", "label"], "--names do not fit an output of kind 'label'"),
        ("model.skops", ["--key", "number"], "expected the key 'number' among the columns"),
        ("model.skops", ["--rows", "nowhere.csv"], "expected a CSV or Parquet file of rows at nowhere.csv"),
        ("model.skops", ["--trained-from", "2014-01-01"], "expected --trained-from before --trained-until"),
    ],
)
def test_what_cannot_be_published_is_refused_with_what_was_found(home, files, name, options, found):
    if not (files / name).exists() and name != "missing.skops":
        (files / name).write_bytes(b"\x80\x04")
    with pytest.raises(UsageError, match="(?s)" + found.replace(".", r"\.")):
        publish(files / name, files / "rows.csv", *options)
    assert ModelStore(home / "releases" / "flights").digests() == []


def test_a_damaged_file_and_one_of_another_library_are_refused(home, files):
    (files / "model.skops").write_bytes((files / "model.skops").read_bytes()[:-200])
    (files / "model.txt").write_text("tree\nversion=v4\n")
    for name in ("model.skops", "model.txt"):
        with pytest.raises(ModelCorrupt):
            publish(files / name, files / "rows.csv")
    assert ModelStore(home / "releases" / "flights").digests() == []


def test_missing_values_and_times_of_the_rows_are_as_a_client_sends_them(home, files):
    rows = FRAME.assign(carrier=FRAME["carrier"].where(FRAME.index % 7 > 0), at=datetime(2013, 1, 1, 6))  # noqa: DTZ001
    rows.to_parquet(files / "gaps.parquet")
    only_carrier = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]))
    (files / "gaps.skops").write_bytes(io.dumps(make_pipeline(only_carrier, LogisticRegression()).fit(rows, LATE)))
    manifest = manifest_of(home, publish(files / "gaps.skops", files / "gaps.parquet"))
    assert Column(name="at", type="datetime") in manifest.input_schema.columns
    sent = pd.DataFrame(manifest.golden.rows, columns=manifest.golden.columns)
    assert set(sent["at"]) == {"2013-01-01T06:00:00.000000"}
    assert sent["carrier"].isna().any()
