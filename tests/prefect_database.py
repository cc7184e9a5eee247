"""Prefect's own database for tests: made and filled by Prefect's code in a process of its own, and made older.

    python -m tests.prefect_database fill     the tables, one deployment with its planned runs, and runs of other kinds
    python -m tests.prefect_database plan     plan again; prints how many runs are planned

The database is the one that `PREFECT_API_DATABASE_CONNECTION_URL` names.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLANNED = 60  # of a one-minute interval, as far ahead as Prefect plans by default: an hour
KEPT = ("asked for", "completed", "running", "waits for its next try")


def url_of(path):
    """How Prefect names a SQLite database."""
    return f"sqlite+aiosqlite:///{path}"


def run_module(word, url):
    """Run this module on the database at `url`; what it printed."""
    environment = {**os.environ, "PREFECT_API_DATABASE_CONNECTION_URL": url, "DO_NOT_TRACK": "true"}
    command = [sys.executable, "-m", "tests.prefect_database", word]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def names_of_runs(database):
    """Names of all flow runs of a SQLite `database`, in order."""
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM flow_run ORDER BY name")]


def make_older(database, seconds):
    """Move every scheduled run of a SQLite `database` into the past, as a rest of `seconds` does; returns how many."""
    rest = timedelta(seconds=seconds)

    def older(moment):
        return f"{datetime.fromisoformat(moment) - rest:%Y-%m-%d %H:%M:%S.%f}"

    with closing(sqlite3.connect(database)) as connection, connection:
        scheduled = connection.execute(
            "SELECT r.id, r.expected_start_time, r.next_scheduled_start_time, s.id, s.timestamp, s.state_details"
            " FROM flow_run r JOIN flow_run_state s ON s.id = r.state_id WHERE r.state_type = 'SCHEDULED'"
        ).fetchall()
        for run, expected, due, state, entered, details in scheduled:
            connection.execute(
                "UPDATE flow_run SET expected_start_time = ?, next_scheduled_start_time = ?, state_timestamp = ?"
                " WHERE id = ?",
                (older(expected), older(due), older(entered), run),
            )
            known = json.loads(details)
            known["scheduled_time"] = (datetime.fromisoformat(known["scheduled_time"]) - rest).isoformat()
            connection.execute(
                "UPDATE flow_run_state SET timestamp = ?, state_details = ? WHERE id = ?",
                (older(entered), json.dumps(known), state),
            )
    return len(scheduled)


async def _fill():
    from prefect.server import models, schemas
    from prefect.server.database import provide_database_interface
    from prefect.server.schemas import states

    db = provide_database_interface()
    await (db.create_db() if db.dialect.name == "sqlite" else _create_tables(db))
    async with db.session_context(begin_transaction=True) as session:
        flow = await models.flows.create_flow(session=session, flow=schemas.core.Flow(name="heal"))
        every_minute = schemas.schedules.IntervalSchedule(interval=timedelta(minutes=1))
        deployment = await models.deployments.create_deployment(
            session=session,
            deployment=schemas.core.Deployment(
                name="heal",
                flow_id=flow.id,
                schedules=[schemas.core.DeploymentSchedule(active=True, schedule=every_minute, deployment_id=flow.id)],
            ),
        )
        planned = await models.deployments.schedule_runs(session=session, deployment_id=deployment.id)

        async def enter(run_id, state):
            await models.flow_runs.set_flow_run_state(session=session, flow_run_id=run_id, state=state, force=True)

        async def create(name, state, **fields):
            run = schemas.core.FlowRun(name=name, flow_id=flow.id, deployment_id=deployment.id, **fields)
            await enter((await models.flow_runs.create_flow_run(session=session, flow_run=run)).id, state)

        now = datetime.now(UTC)
        await enter(planned[0], states.Late(scheduled_time=now))
        await enter(planned[1], states.AwaitingConcurrencySlot(scheduled_time=now))
        await create("asked for", states.Scheduled(scheduled_time=now))
        for name, state in (
            ("running", states.Running()),
            ("completed", states.Completed()),
            ("waits for its next try", states.AwaitingRetry(scheduled_time=now)),
        ):
            await create(name, state, auto_scheduled=True, run_count=1)
    await (await db.engine()).dispose()


async def _create_tables(db):
    """Prefect's tables without its indexes for text search, for a PostgreSQL that lacks the extension they need."""
    import sqlalchemy as sa
    from prefect.server.database.orm_models import Base

    tables = sa.MetaData()
    for table in Base.metadata.tables.values():
        copy = table.to_metadata(tables)
        copy.indexes = {index for index in copy.indexes if not index.name.startswith("trgm")}
    async with (await db.engine()).begin() as connection:
        await connection.run_sync(tables.create_all)


async def _plan():
    import sqlalchemy as sa
    from prefect.server import models
    from prefect.server.database import provide_database_interface

    db = provide_database_interface()
    async with db.session_context(begin_transaction=True) as session:
        deployment_id = (await session.execute(sa.select(db.Deployment.id))).scalar_one()
        planned = await models.deployments.schedule_runs(session=session, deployment_id=deployment_id)
    await (await db.engine()).dispose()
    sys.stdout.write(str(len(planned)))


if __name__ == "__main__":
    asyncio.run({"fill": _fill, "plan": _plan}[sys.argv[1]]())
