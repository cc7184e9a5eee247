"""A ledger of any earlier version becomes one of this version: all of it or nothing, and its rows stay."""

import multiprocessing
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from healing.errors import ConfigError
from tasks.ledger import revision
from tasks.ledger.database import open_engine
from tasks.ledger.store import Ledger

FIRST_LEDGER = Path(__file__).with_name("first_ledger.sql")  # tables and rows as the first version wrote them
REVISIONS = [f"{number:04}" for number in range(1, int(revision.HEAD) + 1)]

# The process is killed when all revisions have run, and before the commit.
KILLED_IN_THE_UPGRADE = """
import os, signal, sys
from alembic import op
from tasks.ledger.database import open_engine
create_index = op.create_index
def killed_at_the_last_one(name, *args, **options):
    create_index(name, *args, **options)
    if name == "latest_of_kind":
        os.kill(os.getpid(), signal.SIGKILL)
op.create_index = killed_at_the_last_one
open_engine(sys.argv[1])
"""


@pytest.fixture
def first_ledger(tmp_path):
    """File of a ledger that the first version wrote."""
    file = tmp_path / "first.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(FIRST_LEDGER.read_text())
    return file


def tables_of(url):
    """What the database says of the ledger's tables: columns, keys and indexes, without the order of columns."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    inspector = sa.inspect(engine)
    return {
        table: {
            "columns": {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in inspector.get_columns(table)
                if (table, each["name"]) != (revision.VERSION_TABLE, "version_num")
            },
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "references": [(each["constrained_columns"], each["referred_table"]) for each in foreign(inspector, table)],
            "indexes": {
                each["name"]: (each["column_names"], bool(each["unique"]), condition(each))
                for each in inspector.get_indexes(table)
            },
        }
        for table in inspector.get_table_names()
    }


def foreign(inspector, table):
    return sorted(inspector.get_foreign_keys(table), key=lambda each: each["constrained_columns"])


def condition(index):
    options = index.get("dialect_options", {})
    return str(options.get("sqlite_where", options.get("postgresql_where", "")))


def at_revision(url, wanted):
    """Make a new database one of an earlier revision."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(revision.__file__).parent / "migrations"))
        config.attributes.update(connection=connection, version_table=revision.VERSION_TABLE)
        command.upgrade(config, wanted)


@pytest.fixture
def new_ledger(database, tmp_path):
    """URL of a ledger that this version created."""
    if database.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'new.db'}"
    else:
        engine = sa.create_engine(database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        name = f"{sa.make_url(database).database}_new"
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        url = sa.make_url(database).set(database=name).render_as_string(hide_password=False)
    open_engine(url).dispose()
    return url


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "unrecorded"])
def test_every_revision_ends_with_the_tables_of_a_new_ledger(database, new_ledger, recorded):
    expected = tables_of(new_ledger)
    for each in REVISIONS if database.startswith("sqlite") else REVISIONS[:1]:  # table changes are slow on a server
        at_revision(database, each)
        engine = sa.create_engine(database, poolclass=sa.NullPool)
        if not recorded:
            with engine.begin() as connection:
                connection.execute(sa.text(f"DROP TABLE {revision.VERSION_TABLE}"))
        open_engine(database).dispose()
        assert tables_of(database) == expected
        with engine.begin() as connection:
            assert revision.recorded_revision(connection) == revision.HEAD
            every = sa.MetaData()
            every.reflect(connection)
            every.drop_all(connection)


def test_the_head_is_the_newest_revision():
    config = Config()
    config.set_main_option("script_location", str(Path(revision.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [revision.HEAD]
    assert sorted(each.revision for each in script.walk_revisions()) == REVISIONS
    assert all(revision.is_known(each) for each in REVISIONS)


def test_a_ledger_of_the_first_version_keeps_its_rows(first_ledger):
    with Ledger(f"sqlite:///{first_ledger}") as ledger:
        [incident] = ledger.incidents("flights")
        [attempt] = incident.attempts
        assert (attempt.number, attempt.remedy) == (1, "quarantine_batch")
        assert [(each.accepted, each.revision, each.sha256) for each in ledger.batches("flights")] == [(8, 1, "")]
    with closing(sqlite3.connect(first_ledger)) as connection:
        indexes = {name for [name] in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert "latest_of_kind" in indexes


def test_a_process_killed_in_the_upgrade_leaves_the_ledger_as_it_was(first_ledger):
    url, content = f"sqlite:///{first_ledger}", FIRST_LEDGER.read_text()
    ended = subprocess.run([sys.executable, "-c", KILLED_IN_THE_UPGRADE, url], timeout=100, check=False)
    assert ended.returncode == -9
    with closing(sqlite3.connect(first_ledger)) as connection:
        found = {line.rstrip() for statement in connection.iterdump() for line in statement.splitlines()}
    assert found == set(content.splitlines())
    with Ledger(url) as ledger:
        assert len(ledger.incidents("flights")) == 1


def test_processes_that_open_an_old_ledger_at_once_upgrade_it_once(first_ledger):
    url = f"sqlite:///{first_ledger}"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=open_engine, args=(url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * 4
    with closing(sqlite3.connect(first_ledger)) as connection:
        assert connection.execute(f"SELECT * FROM {revision.VERSION_TABLE}").fetchall() == [(revision.HEAD,)]


def test_a_ledger_of_a_newer_version_is_refused_and_not_changed(tmp_path):
    file = tmp_path / "newer.db"
    Ledger(f"sqlite:///{file}").close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE {revision.VERSION_TABLE} SET version_num = '9001'")
        before = list(connection.iterdump())
    with pytest.raises(ConfigError, match=r"revision 9001.*newer version"):
        Ledger(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        assert list(connection.iterdump()) == before
