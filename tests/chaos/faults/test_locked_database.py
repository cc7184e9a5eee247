import sqlite3
from contextlib import closing

import pytest
import yaml

from chaos.faults.locked_database import prepare
from chaos.lab import Lab
from tests.chaos.gateway_double import home_of
from tests.chaos.waiting import wait_for


@pytest.fixture
def lab(tmp_path):
    home = home_of(tmp_path / "home", "http://127.0.0.1:9")
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE journal (id INTEGER)")
    return Lab.open(home, "flights", home / "drills" / "one")


def test_writers_are_refused_and_readers_are_not_until_the_undo(lab):
    fault = prepare(lab)
    assert not fault.active()
    fault.inject()
    try:
        wait_for(fault.active, "the database is locked")
        with closing(sqlite3.connect(lab.ledger, timeout=0)) as database:
            assert database.execute("SELECT count(*) FROM journal").fetchone() == (0,)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                database.execute("INSERT INTO journal VALUES (1)")
    finally:
        fault.undo()
    fault.undo()
    assert not fault.active()
    with closing(sqlite3.connect(lab.ledger, timeout=0)) as database:
        database.execute("INSERT INTO journal VALUES (1)")


def test_the_database_of_a_source_is_locked_for_readers_as_well(lab, tmp_path, monkeypatch):
    path = tmp_path / "visits.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE visits (id TEXT)")
    (tmp_path / "pipelines" / "flights").mkdir(parents=True)
    document = {"sources": [{"kind": "sql", "url": f"sqlite:///{path}"}]}
    (tmp_path / "pipelines" / "flights" / "pipeline.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(tmp_path / "pipelines"))
    fault = prepare(lab, database="source")
    fault.inject()
    try:
        wait_for(fault.active, "the database is locked")
        with (
            closing(sqlite3.connect(path, timeout=0)) as database,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            database.execute("SELECT * FROM visits")
    finally:
        fault.undo()
    with closing(sqlite3.connect(path, timeout=0)) as database:
        assert database.execute("SELECT * FROM visits").fetchall() == []


def test_another_database_is_refused(lab):
    with pytest.raises(LookupError, match="ledger, source or registry, found 'mlflow'"):
        prepare(lab, database="mlflow")


def test_mlflows_store_is_locked_where_there_is_one(lab):
    with pytest.raises(LookupError, match="was a model trained here"):
        prepare(lab, database="registry")
    lab.registry.parent.mkdir()
    with closing(sqlite3.connect(lab.registry)) as database:
        database.execute("CREATE TABLE experiments (id TEXT)")
    fault = prepare(lab, database="registry")
    fault.inject()
    try:
        wait_for(fault.active, "the store is locked")
    finally:
        fault.undo()
    assert not fault.active()
