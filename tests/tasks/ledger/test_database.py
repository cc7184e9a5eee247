"""A ledger that is locked, refuses connections or never answers is unavailable after a bounded time."""

import gc
import socket
import sqlite3
import time

import pytest

from tasks.ledger.database import LedgerUnavailable, bounded, transaction, use_write_ahead_log
from tasks.ledger.store import Ledger

# pg8000 drops the socket of a connection that failed without closing it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
BOUND_SECONDS = 0.2
SLACK_SECONDS = 20.0  # of a busy machine; without the bound, a ledger waits for half a minute or for ever


@pytest.fixture(autouse=True)
def dropped_sockets_are_collected_here():
    """Not in a later test, which would fail with their warning."""
    yield
    gc.collect()


def seconds_until_unavailable(url):
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable), Ledger(bounded(url, BOUND_SECONDS)):
        pass
    return time.monotonic() - began


def test_a_locked_file(tmp_path):
    file = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{file}").close()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert seconds_until_unavailable(f"sqlite:///{file}") < SLACK_SECONDS
    other.close()


def test_a_locked_server(postgres_database):
    with Ledger(postgres_database) as holder, transaction(holder._engine):
        assert seconds_until_unavailable(postgres_database) < SLACK_SECONDS


def test_a_server_that_refuses():
    assert seconds_until_unavailable("postgresql+pg8000://me:secret@127.0.0.1:9/ledger") < SLACK_SECONDS


def test_a_server_that_accepts_and_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert seconds_until_unavailable(f"postgresql+pg8000://me:secret@127.0.0.1:{port}/ledger") < SLACK_SECONDS


def test_the_bound_changes_nothing_else_of_the_url():
    url = "postgresql+pg8000://me:secret@db.example.org:5433/ledger?application_name=healer"
    assert bounded(url, 2) == f"{url}&wait_seconds=2"


class BusyCursor:
    """A cursor of SQLite whose database is switched by another process for the first `times` statements."""

    def __init__(self, times):
        self.times, self.executed = times, 0

    def execute(self, _statement):
        self.executed += 1
        if self.executed <= self.times:
            raise sqlite3.OperationalError("database is locked")


def test_a_switch_to_write_ahead_logging_waits_for_another_process_that_switches():
    """SQLite does not wait by itself here: with eight programs at once, about one new ledger in a hundred failed."""
    cursor = BusyCursor(times=3)
    use_write_ahead_log(cursor, lock_seconds=SLACK_SECONDS)
    assert cursor.executed == 4
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_write_ahead_log(BusyCursor(times=10**9), lock_seconds=BOUND_SECONDS)
