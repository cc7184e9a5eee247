"""What a user would take instead: each server in its own environment, with its batching on."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result import PROJECT
from benchmarks.serving.installed import environment_of
from benchmarks.serving.load import wait_for_answer
from benchmarks.serving.processes import Running, Wrap, free_port, running
from benchmarks.serving.targets import BENTOML, LITSERVE, MLFLOW, MLSERVER, Target
from benchmarks.serving.world import BENCH, World

START_SECONDS_MAX = 180.0
_SERVICES = PROJECT / "benchmarks" / "serving" / "services"
# MLServer with a batch as large as the clients, and a wait that fills it at 64 clients and costs one client little.
_MLSERVER_BATCH_REQUESTS_MAX = 64
_MLSERVER_BATCH_WAIT_SECONDS = 0.005


@dataclass(frozen=True)
class Peer:
    """A server that answers with the named model of the world."""

    server: Running
    target: Target


@dataclass(frozen=True)
class Launch:
    """How a peer is started: `workers` model processes, its command inside of what `wrap` makes of it."""

    world: World
    scratch: Path
    model: str = "champion"
    workers: int = 1
    wrap: Wrap = tuple


Start = Callable[[Launch], AbstractContextManager[Peer]]


@contextmanager
def mlflow_serve(launch: Launch) -> Iterator[Peer]:
    """`mlflow models serve` from the project's own environment, as its users run it."""
    port = free_port()
    command = [
        *(str(Path(sys.executable).with_name("mlflow")), "models", "serve", "--env-manager", "local"),
        *("--model-uri", str(launch.world.mlflow(launch.model)), "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(launch.workers)),
    ]
    # It starts `uvicorn` by name, from whatever environment is on PATH.
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with running(launch.wrap(command), launch.scratch / "mlflow.log", path) as server:
        yield _once_it_answers(server, Target("mlflow", port, MLFLOW, launch.world))


@contextmanager
def mlserver(launch: Launch) -> Iterator[Peer]:
    """MLServer's scikit-learn runtime with adaptive batching; a single worker is its own process."""
    python = environment_of("mlserver")
    port, folder = free_port(), launch.scratch / "mlserver"
    (folder / "flights").mkdir(parents=True, exist_ok=True)
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": launch.workers if launch.workers > 1 else 0,
        "debug": False,
        "access_log": False,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    served = {
        "name": "flights",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": _MLSERVER_BATCH_REQUESTS_MAX,
        "max_batch_time": _MLSERVER_BATCH_WAIT_SECONDS,
        "parameters": {"uri": str(launch.world.joblib(launch.model))},
    }
    (folder / "flights" / "model-settings.json").write_text(json.dumps(served))
    command = [str(python.with_name("mlserver")), "start", "."]
    with running(launch.wrap(command), launch.scratch / "mlserver.log", folder=folder) as server:
        yield _once_it_answers(server, Target("mlserver", port, MLSERVER, launch.world))


@contextmanager
def litserve(launch: Launch) -> Iterator[Peer]:
    """LitServe with batching and one model process."""
    python, port = environment_of("litserve"), free_port()
    service = str(_SERVICES / "litserve_flights.py")
    command = [str(python), service, str(port), str(launch.world.joblib(launch.model)), str(_schema(launch))]
    with running(launch.wrap(command), launch.scratch / "litserve.log", folder=launch.scratch) as server:
        yield _once_it_answers(server, Target("litserve", port, LITSERVE, launch.world))


@contextmanager
def bentoml(launch: Launch) -> Iterator[Peer]:
    """BentoML with adaptive batching and one model process."""
    python, port = environment_of("bentoml"), free_port()
    command = [
        *(str(python.with_name("bentoml")), "serve", "bentoml_flights:Flights", "--working-dir", str(_SERVICES)),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    environment = {
        "FLIGHTS_MODEL": str(launch.world.joblib(launch.model)),
        "FLIGHTS_SCHEMA": str(_schema(launch)),
        "BENTOML_HOME": str(BENCH / "bentoml-home"),
    }
    with running(launch.wrap(command), launch.scratch / "bentoml.log", environment) as server:
        yield _once_it_answers(server, Target("bentoml", port, BENTOML, launch.world))


def _once_it_answers(server: Running, target: Target) -> Peer:
    try:
        wait_for_answer(target, START_SECONDS_MAX, server.process)
    except TimeoutError as exc:
        raise TimeoutError(f"{exc}; the end of its log:\n{server.tail()}") from exc
    return Peer(server, target)


def _schema(launch: Launch) -> Path:
    schema, world = launch.scratch / "schema.json", launch.world
    schema.write_text(json.dumps({"columns": world.columns, "text_columns": world.text_columns}))
    return schema
