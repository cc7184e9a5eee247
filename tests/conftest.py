import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.prefect_database import run_module, url_of


@pytest.fixture(scope="session")
def filled_prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's own SQLite database with runs of every kind (`tests.prefect_database`); copy it before a change."""
    path = tmp_path_factory.mktemp("prefect") / "filled.db"
    run_module("fill", url_of(path))
    return path


@pytest.fixture
def prefect_database(filled_prefect_database: Path, tmp_path: Path) -> Path:
    """A copy of the filled database."""
    copy: Path = shutil.copy(filled_prefect_database, tmp_path / "prefect.db")
    return copy


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test runs logs to the standard error of that test, which is closed when the next one logs."""
    yield
    structlog.reset_defaults()
