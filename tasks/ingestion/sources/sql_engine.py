"""An engine for a database that is only read, with its driver's own timeouts set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from healing.errors import ConfigError
from tasks.config.sources_section import SqlEndpoint
from tasks.ingestion.sources.address import Lookup

# One snapshot for all pages of a batch; a reader of SQLite has one without that.
_ISOLATION: Mapping[str, Mapping[str, Any]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "mysql": {"isolation_level": "REPEATABLE READ"},
    "mariadb": {"isolation_level": "REPEATABLE READ"},
}


def open_engine(endpoint: SqlEndpoint, lookup: Lookup) -> sa.Engine:
    """An engine for the source's database; ConfigError when its URL or driver is invalid. Makes no connection yet.

    Connections are not kept between batches: ingest runs seldom, and a kept one may be dead by then.
    """
    try:
        url = sa.make_url(lookup.fill(endpoint.name, endpoint.url))
        engine = sa.create_engine(url, connect_args=_timeouts(url, endpoint), poolclass=sa.NullPool)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as exc:
        raise ConfigError(
            f"source {endpoint.name}: expected a SQLAlchemy URL such as postgresql+pg8000://user@host/db "
            f"and its driver installed, found {type(exc).__name__}"
        ) from None  # the cause quotes the URL with its password
    return engine.execution_options(**_ISOLATION.get(engine.dialect.name, {}))


def check_database_file(engine: sa.Engine) -> None:
    """FileNotFoundError for an SQLite file that does not exist: connecting would create an empty one."""
    database = engine.url.database
    if engine.dialect.name == "sqlite" and not (database and Path(database).is_file()):
        raise FileNotFoundError(f"no database file {database}")


def _timeouts(url: sa.URL, endpoint: SqlEndpoint) -> dict[str, Any]:
    """The driver's arguments for timeouts; for a driver that is not listed, the URL's query may set its own."""
    match url.get_driver_name() if "+" in url.drivername else url.get_backend_name():
        case "psycopg" | "psycopg2" | "postgresql":
            milliseconds = round(endpoint.timeout_seconds * 1000)
            limit = {} if "options" in url.query else {"options": f"-c statement_timeout={milliseconds}"}
            return {"connect_timeout": max(2, round(endpoint.connect_seconds)), **limit}  # the minimum of libpq is 2
        case "pg8000":
            limits = {"statement_timeout": str(round(endpoint.timeout_seconds * 1000))}
            return {"timeout": endpoint.timeout_seconds + endpoint.connect_seconds, "startup_params": limits}
        case "sqlite" | "pysqlite":
            return {"timeout": endpoint.timeout_seconds}
        case "pymysql" | "mysqldb" | "mysql":
            seconds = max(1, round(endpoint.timeout_seconds))
            return {"connect_timeout": max(1, round(endpoint.connect_seconds)), "read_timeout": seconds}
        case _:
            return {}
