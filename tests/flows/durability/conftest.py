"""The compiled counter of file events, the process that forks runs, and what an undisturbed run leaves behind."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flows.durability.runs import Ended, Order, Runs
from tests.flows.durability.world import World, remains


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """file_events.c as a library; where there is no C compiler, kills at file events are not tested."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: install cc (Debian's package gcc)")
    built = tmp_path_factory.mktemp("file_events") / "file_events.so"
    source = Path(__file__).with_name("file_events.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", str(built), str(source), "-ldl"], check=True)
    return built


@pytest.fixture(scope="session")
def runs(shim: Path, prefect_api: None) -> Iterator[Runs]:
    from prefect.settings import PREFECT_API_URL

    started = Runs(shim, str(PREFECT_API_URL.value()))
    yield started
    started.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One source, shared by all tests that do not change it."""
    return World(tmp_path_factory.mktemp("world")).build()


@dataclass(frozen=True)
class Undisturbed:
    """What an undisturbed run leaves behind, and how it ended."""

    remains: Mapping[str, object]
    ended: Ended


@pytest.fixture(scope="session")
def undisturbed(runs: Runs, world: World) -> Undisturbed:
    home = world.folder / "undisturbed"
    [ended] = runs.run(Order(str(home), str(world.pipelines)))
    assert (ended.killed, ended.error) == (False, ""), ended
    return Undisturbed(remains(home), ended)


@pytest.fixture
def ingest(runs: Runs, world: World, tmp_path: Path) -> Callable[..., list[Ended]]:
    """Runs in one home per test, disturbed as the keywords say (see Order)."""

    def run(**disturbance: object) -> list[Ended]:
        return runs.run(Order(str(tmp_path / "home"), str(world.pipelines), **disturbance))

    return run
