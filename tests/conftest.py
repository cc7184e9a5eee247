import os
import shutil

# One math thread per process: several test workers with two OpenMP threads each spin and wait for one another, which
# makes a prediction many times slower. numpy and scikit-learn read these when they are loaded, so they come first.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import structlog  # noqa: E402
from hypothesis import settings  # noqa: E402

from tests.prefect_database import run_module, url_of  # noqa: E402

# HYPOTHESIS_PROFILE=long searches for longer; `tests.examples` scales tests that name a number of examples.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Directories whose files take longest, the longest first: the last files of a run should be short ones.
_LONG_FIRST = ("e2e", "flows", "gateway", "chaos", "pipelines", "cli", "benchmarks")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first. With --no-loadscope-reorder, pytest-xdist gives files to workers in this order."""

    def place(item: pytest.Item) -> int:
        directory = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        return _LONG_FIRST.index(directory) if directory in _LONG_FIRST else len(_LONG_FIRST)

    items.sort(key=place)


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
    """Reset logging: a command that a test ran logs to the standard error of that test, which is closed by now."""
    yield
    structlog.reset_defaults()
