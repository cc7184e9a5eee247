import sqlite3
from contextlib import closing

import pytest

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


def test_another_database_is_refused(lab):
    with pytest.raises(LookupError, match="ledger, found 'mlflow'"):
        prepare(lab, database="mlflow")
