"""Deletion of the flow runs that Prefect's scheduler planned and nothing started, while no Prefect server runs.

After a rest all of them are late at once. On SQLite the server then spends minutes on "database is locked" instead of
answering. The scheduler plans the runs that are still ahead again as soon as it runs.
"""

import asyncio
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from healing.errors import Corrupt, OrchestratorUnavailable

LOCK_SECONDS_MAX = 5.0  # another program may read or write for a moment; a server would hold it far longer

_RUN = sa.table("flow_run", *map(sa.column, ("id", "auto_scheduled", "state_type", "run_count")))
_STATE = sa.table("flow_run_state", sa.column("flow_run_id"))
# A run that a person, an event or `heal` asked for is not auto-scheduled; one that waits for its next try has started.
_PLANNED = sa.select(_RUN.c.id).where(
    _RUN.c.auto_scheduled.is_(sa.true()),
    sa.cast(_RUN.c.state_type, sa.String) == "SCHEDULED",
    _RUN.c.run_count == 0,
)


def delete_planned_runs(database: str) -> int:
    """Number of planned runs deleted from Prefect's `database`, a SQLAlchemy URL with the driver that Prefect uses.

    0 when there is no database yet, or one without Prefect's tables. OrchestratorUnavailable when it is locked or does
    not answer, Corrupt when the file is no database.
    """
    url = sa.make_url(database)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return 0  # connecting would create it
    shown = url.render_as_string(hide_password=True)
    try:
        return asyncio.run(_delete(url))
    except (sa.exc.OperationalError, sa.exc.InterfaceError, asyncpg.PostgresError, OSError) as exc:
        raise OrchestratorUnavailable(
            f"expected to write to Prefect's database {shown}, found {_cause(exc)}; end what else uses it"
        ) from exc
    except sa.exc.DatabaseError as exc:
        raise Corrupt(f"expected Prefect's database at {shown}, found {_cause(exc)}; restore or delete it") from exc


async def _delete(url: sa.URL) -> int:
    waits = {"timeout": LOCK_SECONDS_MAX}  # SQLite's for a lock, PostgreSQL's for a connection
    if url.get_backend_name() == "postgresql":
        waits["command_timeout"] = LOCK_SECONDS_MAX
    engine = create_async_engine(url, poolclass=sa.NullPool, connect_args=waits)
    try:
        async with engine.begin() as connection:
            if not await connection.run_sync(_has_runs):
                return 0
            return await _delete_runs(connection)
    finally:
        await engine.dispose()


def _has_runs(connection: sa.Connection) -> bool:
    """Whether the tables are Prefect's, as far as they are needed here."""
    inspector = sa.inspect(connection)
    return all(
        inspector.has_table(table.name)
        and {column.name for column in table.columns}
        <= {column["name"] for column in inspector.get_columns(table.name)}
        for table in (_RUN, _STATE)
    )


async def _delete_runs(connection: AsyncConnection) -> int:
    """Delete the states as well: SQLite cascades only where a connection asks for it."""
    await connection.execute(sa.delete(_STATE).where(_STATE.c.flow_run_id.in_(_PLANNED)))
    deleted = await connection.execute(sa.delete(_RUN).where(_RUN.c.id.in_(_PLANNED)))
    return deleted.rowcount


def _cause(exc: Exception) -> str:
    return str(getattr(exc, "orig", None) or exc)
