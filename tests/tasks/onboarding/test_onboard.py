"""`onboard` as its user meets it: a real file in, a folder out that loads and takes the file, or one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.onboarding.draft import Asked
from tasks.onboarding.onboard import onboard
from tests.orders import classified, orders, write


def ask(data: Path, **changes) -> Asked:
    return Asked(**{"name": "mine", "data": data, "label": "returned", "time": "at", "key": "id"} | changes)


def test_a_folder_is_written_that_loads_takes_the_file_and_passes_the_checks_of_this_project(tmp_path):
    done = onboard(ask(write(classified(), tmp_path / "orders.csv")), tmp_path / "pipelines")
    assert done.folder == tmp_path / "pipelines/mine"
    assert [(table.table, table.accepted, table.set_aside) for table in done.rehearsed] == [
        ("rows", 1200, 0),
        ("outcomes", 1200, 0),
    ]
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "__init__.py",
        "expectations.json",
        "expectations.outcomes.json",
        "features.py",
        "model.py",
        "pipeline.yaml",
    ]
    assert [path.name for path in (tmp_path / "pipelines").iterdir()] == ["mine"]
    assert hasattr(load_pipeline("mine", tmp_path / "pipelines").estimator(), "fit")
    for checked in (["check"], ["format", "--check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *checked, str(done.folder), "--config", "pyproject.toml", "--no-cache"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ruff.returncode == 0, ruff.stdout


def test_every_guess_is_said_with_its_reason(tmp_path):
    done = onboard(ask(write(classified(), tmp_path / "orders.csv")), tmp_path / "pipelines")
    said = {guess.about: guess for guess in done.guesses}
    assert said["column channel"].choice == "channel: string, required"
    assert said["column channel"].why == "3 categories: phone, shop, web"
    assert said["label"].choice == "returned: long, as a probability"
    assert {"key", "event time", "estimator", "days", "windows", "column amount"} <= set(said)
    assert all(guess.why and "\n" not in guess.why for guess in done.guesses)


def test_a_folder_that_is_there_already_is_left_alone(tmp_path):
    data = write(classified(), tmp_path / "orders.csv")
    kept = tmp_path / "pipelines/mine/notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(UsageError, match=r"exists already; nothing was written: choose another name"):
        onboard(ask(data), tmp_path / "pipelines")
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["orders.parquet", "orders.csv.gz"])
def test_parquet_and_compressed_files_are_read_as_ingestion_reads_them(tmp_path, name):
    done = onboard(ask(write(classified(), tmp_path / name)), tmp_path / "pipelines")
    assert done.rehearsed[0].accepted == 1200


def test_a_file_whose_name_is_a_pattern_means_itself(tmp_path):
    folder = tmp_path / "Größen 100%"
    folder.mkdir()
    write(classified(id="x"), folder / "orders 1.csv")
    data = write(classified(), folder / "orders [{1}].csv")
    assert onboard(ask(data), tmp_path / "pipelines").rehearsed[0].accepted == 1200


def test_rows_in_any_order_and_exact_copies_of_rows_are_no_trouble(tmp_path):
    frame = classified()
    shuffled = frame.sample(len(frame) + 50, replace=True, random_state=1)
    done = onboard(ask(write(shuffled, tmp_path / "orders.csv")), tmp_path / "pipelines")
    [key] = [guess for guess in done.guesses if guess.about == "key"]
    assert "exact copies of rows count once" in key.why


def refused_files():
    frame = classified()
    few = frame[(frame["returned"] == 0) | (frame.groupby("returned").cumcount() < 20)]
    return {
        "no such file": (None, {}, r"expected a CSV or Parquet file at .*, found none"),
        "no such column": (frame, {"label": "Returned"}, r"--label 'Returned' is no column of orders.csv; columns are"),
        "one column for two": (frame, {"key": "at"}, "three different columns"),
        "a key that repeats": (
            frame.assign(id=frame["channel"]),
            {},
            r"key 'id': expected a different value in each row",
        ),
        "a key that is missing": (frame.assign(id=frame["id"].where(frame.index % 4 > 0)), {}, "found none in 25% of"),
        "one day": (frame.assign(at="2024-01-01"), {}, "at least 10 days .* found all on 2024-01-01"),
        "no time": (frame.assign(at="soon"), {}, r"time 'at': expected times .* found for example 'soon'"),
        "dates that may be two": (
            frame.assign(at=[f"0{1 + n % 9}/0{1 + n % 8}/2024" for n in range(len(frame))]),
            {},
            "say --dates day-first or --dates month-first",
        ),
        "one class": (frame.assign(returned=1), {}, "found only '1'; nothing to learn"),
        "a class with few rows": (few, {}, "expected 50 rows of each class"),
        "three classes": (frame.assign(returned=frame["channel"]), {}, "name with --positive"),
        "nothing to learn from": (frame[["id", "at", "returned"]], {}, "expected a column to learn from"),
        "rows to come": (
            frame.assign(at=frame["at"].str.replace("2024-", "2199-")),
            {},
            "found only today's or later ones",
        ),
        "a name that is none": (frame, {"name": "My Orders"}, "expected a name of lower-case letters"),
    }


@pytest.mark.parametrize("why", refused_files())
def test_where_no_pipeline_can_come_of_it_one_line_says_why_and_nothing_is_written(tmp_path, why):
    frame, changes, message = refused_files()[why]
    data = tmp_path / "orders.csv"
    if frame is not None:
        write(frame, data)
    with pytest.raises(UsageError, match=message) as refused:
        onboard(ask(data, **changes), tmp_path / "pipelines")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "pipelines").glob("*")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id;at;returned\n1;2024-01-01;0\n", "expected commas between fields, found semicolons"),
        (b"id,at,returned\n", "expected rows, found only the header"),
        (b"id,id,returned\n1,1,0\n", "columns named twice: id"),
        ("id,at,returned\n1,2024-01-01,größe\n".encode("latin-1"), "no UTF-8"),
        (b"<html><body>Sign in</body></html>", "found a page"),
        (b"id,at\n1\n", "Expected 2 columns, got 1"),
    ],
)
def test_a_file_that_ingestion_could_not_read_is_refused_as_ingestion_would(tmp_path, content, message):
    (tmp_path / "orders.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        onboard(ask(tmp_path / "orders.csv"), tmp_path / "pipelines")


def test_a_quantity_gets_a_regressor(tmp_path):
    data = write(orders().drop(columns="returned"), tmp_path / "orders.csv")
    done = onboard(ask(data, label="cost"), tmp_path / "pipelines")
    pipeline = load_pipeline("mine", tmp_path / "pipelines")
    assert pipeline.prediction.output == "value"
    assert not hasattr(pipeline.estimator(), "predict_proba")
    assert done.rehearsed[1].accepted == 1200
