"""From a real file to a folder that loads and accepts the file, or to an error of one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from healing.errors import UsageError
from tasks.config.pipeline import load_pipeline
from tasks.onboarding.draft import OnboardingRequest
from tasks.onboarding.onboard import onboard
from tests.orders import classified, orders, write


def request(data: Path, **changes) -> OnboardingRequest:
    return OnboardingRequest(**{"name": "mine", "data": data, "label": "returned", "time": "at", "key": "id"} | changes)


def test_the_written_folder_loads_accepts_its_file_and_passes_the_linter(tmp_path):
    result = onboard(request(write(classified(), tmp_path / "orders.csv")), tmp_path / "pipelines")
    assert result.folder == tmp_path / "pipelines/mine"
    assert [(table.table, table.accepted, table.quarantined) for table in result.dry_run] == [
        ("rows", 1200, 0),
        ("outcomes", 1200, 0),
    ]
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "__init__.py",
        "expectations.json",
        "expectations.outcomes.json",
        "features.py",
        "model.py",
        "pipeline.yaml",
        "profile.json",
    ]
    assert [path.name for path in (tmp_path / "pipelines").iterdir()] == ["mine"]
    assert hasattr(load_pipeline("mine", tmp_path / "pipelines").estimator(), "fit")
    for checked in (["check"], ["format", "--check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *checked, str(result.folder), "--config", "pyproject.toml", "--no-cache"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ruff.returncode == 0, ruff.stdout


def test_every_guess_is_reported_with_its_reason(tmp_path):
    result = onboard(request(write(classified(), tmp_path / "orders.csv")), tmp_path / "pipelines")
    reported = {guess.about: guess for guess in result.guesses}
    assert reported["column channel"].choice == "channel: string, required"
    assert reported["column channel"].why == "3 categories: phone, shop, web"
    assert reported["label"].choice == "returned: long, predicted as a probability"
    assert {"key", "event time", "estimator", "days", "windows", "column amount"} <= set(reported)
    assert all(guess.why and "\n" not in guess.why for guess in result.guesses)


def test_an_existing_folder_is_left_unchanged(tmp_path):
    data = write(classified(), tmp_path / "orders.csv")
    kept = tmp_path / "pipelines/mine/notes.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    with pytest.raises(UsageError, match=r"exists already; nothing was written: choose another name"):
        onboard(request(data), tmp_path / "pipelines")
    assert [path.name for path in kept.parent.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("name", ["orders.parquet", "orders.csv.gz"])
def test_parquet_and_compressed_files_are_read_as_ingestion_reads_them(tmp_path, name):
    result = onboard(request(write(classified(), tmp_path / name)), tmp_path / "pipelines")
    assert result.dry_run[0].accepted == 1200


def test_a_file_name_with_pattern_characters_matches_only_itself(tmp_path):
    folder = tmp_path / "Größen 100%"
    folder.mkdir()
    write(classified(id="x"), folder / "orders 1.csv")
    data = write(classified(), folder / "orders [{1}].csv")
    assert onboard(request(data), tmp_path / "pipelines").dry_run[0].accepted == 1200


def test_rows_may_be_in_any_order_and_exact_copies_count_once(tmp_path):
    frame = classified()
    shuffled = frame.sample(len(frame) + 50, replace=True, random_state=1)
    result = onboard(request(write(shuffled, tmp_path / "orders.csv")), tmp_path / "pipelines")
    [key] = [guess for guess in result.guesses if guess.about == "key"]
    assert "exact copies of rows count once" in key.why


def refused_files():
    frame = classified()
    few = frame[(frame["returned"] == 0) | (frame.groupby("returned").cumcount() < 20)]
    return {
        "no such file": (None, {}, r"expected a CSV, JSON or Parquet file at .*, found no file"),
        "no such column": (
            frame,
            {"label": "Returned"},
            r"--label 'Returned' is not a column of orders.csv; columns are",
        ),
        "one column for two": (frame, {"key": "at"}, "three different columns"),
        "a key that repeats": (
            frame.assign(id=frame["channel"]),
            {},
            r"key 'id': expected a different value in each row",
        ),
        "a key that is missing": (frame.assign(id=frame["id"].where(frame.index % 4 > 0)), {}, "found none in 25% of"),
        "one day": (frame.assign(at="2024-01-01"), {}, "at least 10 days .* found them all on 2024-01-01"),
        "no time": (frame.assign(at="soon"), {}, r"time 'at': expected times .* found for example 'soon'"),
        "ambiguous dates": (
            frame.assign(at=[f"0{1 + n % 9}/0{1 + n % 8}/2024" for n in range(len(frame))]),
            {},
            "set --dates day-first or --dates month-first",
        ),
        "one class": (frame.assign(returned=1), {}, "found only '1'; name another column"),
        "a class with few rows": (few, {}, "expected 50 rows of each class"),
        "a rare one of three classes": (
            frame.assign(returned=frame["channel"].where(frame["channel"].ne("web") | (frame.index < 5))),
            {},
            "expected 10 rows of each class to train on, found 3 web .* merge it with another, or set --positive",
        ),
        "nothing to learn from": (frame[["id", "at", "returned"]], {}, "expected a column to learn from"),
        "only later rows": (
            frame.assign(at=frame["at"].str.replace("2024-", "2199-")),
            {},
            "found only today's or later ones",
        ),
        "an invalid name": (frame, {"name": "My Orders"}, "expected a name of lower-case letters"),
    }


@pytest.mark.parametrize("why", refused_files())
def test_a_file_that_allows_no_pipeline_is_refused_in_one_line_and_nothing_is_written(tmp_path, why):
    frame, changes, message = refused_files()[why]
    data = tmp_path / "orders.csv"
    if frame is not None:
        write(frame, data)
    with pytest.raises(UsageError, match=message) as refused:
        onboard(request(data, **changes), tmp_path / "pipelines")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "pipelines").glob("*")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,at,returned\n", "expected rows, found only the header"),
        (b"id,id,returned\n1,1,0\n", "columns named twice: id"),
        ("id,at\n1,привет\n".encode("cp1251"), "not UTF-8"),
        (b"<html><body>Sign in</body></html>", "found a page"),
        (b"id,at\n1\n", "Expected 2 columns, got 1"),
    ],
)
def test_a_file_that_ingestion_cannot_read_is_refused_with_its_message(tmp_path, content, message):
    (tmp_path / "orders.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        onboard(request(tmp_path / "orders.csv"), tmp_path / "pipelines")


def test_a_quantity_gets_a_regressor(tmp_path):
    data = write(orders().drop(columns="returned"), tmp_path / "orders.csv")
    result = onboard(request(data, label="cost"), tmp_path / "pipelines")
    pipeline = load_pipeline("mine", tmp_path / "pipelines")
    assert pipeline.prediction.output == "value"
    assert not hasattr(pipeline.estimator(), "predict_proba")
    assert result.dry_run[1].accepted == 1200
