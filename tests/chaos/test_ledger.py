import time
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from chaos import ledger
from chaos.ledger import LedgerUnreadable
from chaos.staging.target import TARGET_VARIABLE
from tasks.ledger import schema
from tests.databases import database, postgres, postgres_database

__all__ = ["database", "postgres", "postgres_database"]
MONOTONIC_SECONDS = 5.0  # of a machine that was booted at another time


@pytest.fixture
def journal(database):
    """A ledger of each kind, as the system makes it, with one entry, incident, batch and leader."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    schema.metadata.create_all(engine)
    now = datetime.now(UTC)
    values = {"at_utc": now, "at_monotonic_ns": int(MONOTONIC_SECONDS * 1e9), "pipeline": "flights"}
    incident = {"id": "i1", "pipeline": "flights", "cause": "model_corrupt", "subject": "c", "status": "open"}
    batch = {"pipeline": "flights", "batch_id": "b1", "table": "rows", "day": date(2013, 3, 1), "source": "feed"}
    counts = dict.fromkeys(("received", "accepted", "quarantined", "duplicates"), 1)
    with engine.begin() as connection:
        connection.execute(schema.journal.insert(), {**values, "kind": "x", "subject": "s", "detail": {"a": 1}})
        connection.execute(schema.incidents.insert(), {**incident, "summary": "", "detected_at": now})
        outcome = {"status": "accepted", "repairs": {}, "recorded_at": now}
        connection.execute(schema.batches.insert(), {**batch, **counts, **outcome})
    return database


def test_the_journal_is_read_from_sqlite_and_postgresql(journal):
    assert ledger.last_id(journal) == 1
    [entry] = ledger.read_after(journal, 0, "flights")
    assert (entry.at, entry.kind, entry.subject, entry.detail) == (MONOTONIC_SECONDS, "x", "s", {"a": 1})
    assert ledger.read_after(journal, 1, "flights") == ledger.read_after(journal, 0, "orders") == []
    assert ledger.unfinished(journal, "flights") == ["model_corrupt"]
    assert ledger.last_day(journal, "flights") == date(2013, 3, 1)
    assert ledger.last_day(journal, "orders") is None


def test_an_entry_of_another_machine_is_placed_by_its_wall_clock(journal):
    [entry] = ledger.read_after(journal, 0, "flights", by_wall_clock=True)
    assert 0 <= time.monotonic() - entry.at < 120


def test_a_password_is_taken_from_where_the_target_says(tmp_path, monkeypatch, postgres_database):
    server = sa.make_url(postgres_database)
    (tmp_path / "staging.yaml").write_text("credentials: {ledger: {env: LEDGER_PASSWORD}}\n")
    monkeypatch.setenv(TARGET_VARIABLE, str(tmp_path / "staging.yaml"))
    monkeypatch.setenv("LEDGER_PASSWORD", "hunter2")
    assert ledger._engine(server.render_as_string()).url.password == "hunter2"


def test_a_ledger_that_is_away_is_unreadable_and_is_not_created(tmp_path):
    for absent in (tmp_path / "ledger.db", "postgresql+pg8000://me@127.0.0.1:9/ledger"):
        with pytest.raises(LedgerUnreadable):
            ledger.last_id(absent)
    assert list(tmp_path.iterdir()) == []
