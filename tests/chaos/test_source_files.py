import sqlite3
from contextlib import closing

import pytest
import yaml

from chaos.faults.changed_file import prepare
from chaos.lab import Lab
from chaos.source_files import pipelines_dir, source_databases, source_files
from tests.chaos.gateway_double import home_of


@pytest.fixture
def pipelines(tmp_path, monkeypatch):
    """A pipeline with one file for two tables, files per day, and sources that are not on this machine."""
    for name in ("orders.csv", "days/2024-01-01.csv", "days/2024-01-02.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("content\n")
    sources = [
        {"kind": "files", "url": str(tmp_path / "data"), "tables": {"rows": "orders.csv", "outcomes": "orders.csv"}},
        {"kind": "files", "url": f"file://{tmp_path / 'data'}", "tables": {"rows": "days/{day}.csv"}},
        {"kind": "files", "url": "s3://bucket/data", "tables": {"rows": "orders.csv"}},
        {"kind": "http", "url": "http://127.0.0.1:9"},
    ]
    (tmp_path / "pipelines" / "orders").mkdir(parents=True)
    (tmp_path / "pipelines" / "orders" / "pipeline.yaml").write_text(yaml.safe_dump({"sources": sources}))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    return tmp_path


def test_every_local_data_file_is_found_once(pipelines):
    found = source_files(pipelines_dir(), "orders")
    data = pipelines / "data"
    assert found == [data / "days" / "2024-01-01.csv", data / "days" / "2024-01-02.csv", data / "orders.csv"]


def test_a_pipeline_without_files_or_without_a_description_has_none(pipelines):
    assert source_files(pipelines_dir(), "unknown") == []


def test_a_data_file_is_taken_away_and_brought_back(pipelines):
    lab = Lab.open(home_of(pipelines / "home", "http://127.0.0.1:9"), "orders", pipelines / "home" / "drills")
    fault = prepare(lab, file="source", change="remove")
    fault.inject()
    assert fault.active()
    assert not (pipelines / "data" / "orders.csv").exists()
    fault.undo()
    assert (pipelines / "data" / "orders.csv").read_text() == "content\n"


def test_a_torn_file_ends_within_its_last_row(pipelines):
    path = pipelines / "data" / "orders.csv"
    whole = "id,at,x\n" + "P001,2024-01-01T09:00:00Z,1.5\n" * 3
    path.write_text(whole)
    lab = Lab.open(home_of(pipelines / "home", "http://127.0.0.1:9"), "orders", pipelines / "home" / "drills")
    fault = prepare(lab, file="source", change="tear")
    fault.inject()
    assert fault.active()
    torn = path.read_text()
    assert whole.startswith(torn)
    assert 0 < torn.splitlines()[-1].count(",") < 2
    fault.undo()
    assert path.read_text() == whole


def test_a_database_of_a_source_is_found_damaged_and_restored(pipelines):
    path = pipelines / "data" / "visits.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE visits (id TEXT)")
    sources = [
        {"kind": "sql", "url": f"sqlite:///{path}"},
        {"kind": "sql", "url": "sqlite:////nowhere/visits.db"},
        {"kind": "sql", "url": "postgresql://127.0.0.1/visits"},
    ]
    (pipelines / "pipelines" / "orders" / "pipeline.yaml").write_text(yaml.safe_dump({"sources": sources}))
    assert source_databases(pipelines_dir(), "orders") == [path]
    lab = Lab.open(home_of(pipelines / "home", "http://127.0.0.1:9"), "orders", pipelines / "home" / "drills")
    fault = prepare(lab, file="source_database", change="truncate")
    fault.inject()
    assert fault.active()
    with pytest.raises(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as database:
        database.execute("SELECT * FROM visits").fetchall()
    fault.undo()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT * FROM visits").fetchall() == []


def test_a_pipeline_without_data_files_cannot_lose_one(pipelines):
    lab = Lab.open(home_of(pipelines / "home", "http://127.0.0.1:9"), "unknown", pipelines / "home" / "drills")
    with pytest.raises(LookupError, match="expected data files"):
        prepare(lab, file="source", change="remove")
