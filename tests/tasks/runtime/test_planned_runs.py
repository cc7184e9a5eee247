"""Planned runs are deleted from Prefect's own tables, and nothing that somebody asked for or that has started is."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from healing.errors import Corrupt, OrchestratorUnavailable
from tasks.runtime import planned_runs
from tasks.runtime.planned_runs import delete_planned_runs
from tests.prefect_database import KEPT, PLANNED, make_older, names_of_runs, run_module, url_of


def states_without_run(path):
    with closing(sqlite3.connect(path)) as connection:
        orphans = "SELECT count(*) FROM flow_run_state WHERE flow_run_id NOT IN (SELECT id FROM flow_run)"
        return connection.execute(orphans).fetchone()[0]


@pytest.mark.parametrize("rest_seconds", [0, 4_200, 86_400, 604_800])
def test_planned_runs_are_gone_after_any_rest_and_all_others_stay(prefect_database, rest_seconds):
    assert make_older(prefect_database, rest_seconds) > PLANNED
    assert delete_planned_runs(url_of(prefect_database)) >= PLANNED
    assert names_of_runs(prefect_database) == list(KEPT)
    assert states_without_run(prefect_database) == 0
    assert delete_planned_runs(url_of(prefect_database)) == 0


def test_prefect_plans_the_same_runs_again(prefect_database):
    delete_planned_runs(url_of(prefect_database))
    assert int(run_module("plan", url_of(prefect_database))) >= PLANNED
    assert delete_planned_runs(url_of(prefect_database)) >= PLANNED


def test_postgresql_by_the_url_that_prefect_takes(postgres_database):
    url = sa.make_url(postgres_database)
    socket = str(url.query["unix_sock"]).rpartition("/")[0]
    address = url.set(drivername="postgresql+asyncpg", query={"host": socket})
    run_module("fill", address.render_as_string(hide_password=False))
    assert delete_planned_runs(address.render_as_string(hide_password=False)) >= PLANNED
    assert asyncio.run(_names(address)) == list(KEPT)


async def _names(address):
    engine = create_async_engine(address, poolclass=sa.NullPool)
    async with engine.connect() as connection:
        return list(await connection.scalars(sa.text("SELECT name FROM flow_run ORDER BY name")))


def test_a_database_that_is_not_there_is_not_created(tmp_path):
    path = tmp_path / "prefect.db"
    assert delete_planned_runs(url_of(path)) == 0
    assert not path.exists()


@pytest.mark.parametrize("columns", [None, "id TEXT", "id TEXT, auto_scheduled TEXT, state_type TEXT"])
def test_other_tables_are_left_alone(tmp_path, columns):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE flow_run_state (flow_run_id TEXT)")
        if columns is not None:
            connection.execute(f"CREATE TABLE flow_run ({columns})")
            connection.execute("INSERT INTO flow_run (id) VALUES ('kept')")
    before = path.read_bytes()
    assert delete_planned_runs(url_of(path)) == 0
    assert path.read_bytes() == before


def test_a_locked_database_is_reported_as_such_and_unchanged(prefect_database, monkeypatch):
    monkeypatch.setattr(planned_runs, "LOCK_SECONDS_MAX", 0.1)
    with closing(sqlite3.connect(prefect_database)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OrchestratorUnavailable, match=r"prefect\.db, found database is locked; end what"):
            delete_planned_runs(url_of(prefect_database))
    assert len(names_of_runs(prefect_database)) > PLANNED


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "prefect.db"
    path.write_text("no database " * 100)
    with pytest.raises(Corrupt, match=r"expected Prefect's database at .*prefect\.db, found file is not a database"):
        delete_planned_runs(url_of(path))


def test_a_server_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(OrchestratorUnavailable, match=r"user:\*\*\*@127\.0\.0\.1:1/prefect, found"):
        delete_planned_runs("postgresql+asyncpg://user:secret@127.0.0.1:1/prefect")


def test_a_missing_postgresql_database_is_named(postgres):
    socket = str(postgres.query["unix_sock"]).rpartition("/")[0]
    address = postgres.set(drivername="postgresql+asyncpg", database="absent", query={"host": socket})
    with pytest.raises(OrchestratorUnavailable, match='database "absent" does not exist'):
        delete_planned_runs(address.render_as_string(hide_password=False))
