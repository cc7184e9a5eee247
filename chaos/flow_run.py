"""The flow runs that a drill starts: runs in Prefect, or a process of its own for an ingest without Prefect."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from chaos import prefect
from chaos.actions.advance_clock import DUE_DAY
from chaos.lab import Lab
from chaos.processes import ProcessName
from chaos.record import recall, remember
from chaos.source_files import PIPELINES_VARIABLE

__all__ = ["FLOW_RUN", "INGEST_RUN", "run_process", "run_state", "start_run"]

INGEST_RUN = "ingest_run"  # of the day that becomes due
FLOW_RUN = "flow_run"  # of the retrain or release that the drill disturbs
LOG_FILE = "ingest.log"
EXIT_FILE = "ingest.exit"
RUN_ID_VARIABLE = "PREFECT__FLOW_RUN_ID"  # in the environment of the process of each run of Prefect
START_SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_RUN = 'import subprocess, sys; code = subprocess.call(sys.argv[2:]); open(sys.argv[1], "w").write(str(code))'


def start_run(lab: Lab, deployment: str, name: str = INGEST_RUN, parameters: Mapping[str, Any] | None = None) -> str:
    """Start a run, as the schedule of `deployment` (flow/deployment) would; return its id.

    `name` is that of the run in this drill. Without Prefect, the run is an ingest.
    httpx.HTTPStatusError when Prefect does not know the deployment.
    """
    run = _start_in_prefect(lab, deployment, name, parameters or {}) if lab.prefect else _start_process(lab)
    remember(lab.directory, name, run)
    return run


def run_state(lab: Lab, name: str = INGEST_RUN) -> str:
    """The run's state, in Prefect's terms."""
    run = recall(lab.directory, name)
    if lab.prefect:
        return str(prefect.call(lab.prefect, "GET", f"/flow_runs/{run}")["state"]["type"])
    ended = lab.directory / EXIT_FILE
    if ended.exists():
        return "COMPLETED" if ended.read_text() == "0" else "FAILED"
    return "RUNNING" if ProcessName.model_validate_json(run).find() is not None else "CRASHED"


def run_process(lab: Lab, name: str = INGEST_RUN) -> ProcessName:
    """The process that carries the run, once it has started; LookupError when none does within START_SECONDS_MAX."""
    run = recall(lab.directory, name)
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        found = _carriers(run) if lab.prefect else _children(run)
        if found:
            return ProcessName.of(found[0].pid)
        time.sleep(POLL_SECONDS)
    raise LookupError(f"expected a process of run {run}, found none; has the run ended?")


def _children(run: str) -> list[psutil.Process]:
    parent = ProcessName.model_validate_json(run).find()
    return [] if parent is None else parent.children()


def _carriers(run: str) -> list[psutil.Process]:
    """The processes of this user with the run's id in their environment, the oldest first."""
    found = []
    for process in psutil.process_iter(["create_time"]):
        try:
            if process.environ().get(RUN_ID_VARIABLE) == run:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return sorted(found, key=lambda process: process.info["create_time"])


def _start_in_prefect(lab: Lab, deployment: str, name: str, parameters: Mapping[str, Any]) -> str:
    found = prefect.call(lab.prefect, "GET", f"/deployments/name/{deployment}")
    wanted = {
        "parameters": {"pipeline": lab.pipeline, **parameters},
        "name": "drill",
        "idempotency_key": f"{lab.directory.as_posix()}/{name}",
    }
    return str(prefect.call(lab.prefect, "POST", f"/deployments/{found['id']}/create_flow_run", wanted)["id"])


def _start_process(lab: Lab) -> str:
    """`autopilot ingest`, which writes its exit code to a file: the probe that asks for it is another process."""
    due = ("--until", recall(lab.directory, DUE_DAY))
    command = [sys.executable, "-m", "cli", "ingest", lab.pipeline, "--home", str(lab.home), *due]
    pid = os.posix_spawn(  # no Popen object, which would warn of a running child when this process ends
        sys.executable,
        [sys.executable, "-c", _RUN, str(lab.directory / EXIT_FILE), *command],
        {**os.environ, "PYTHONPATH": str(_PACKAGE_PARENT), PIPELINES_VARIABLE: str(lab.pipelines_dir)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(lab.directory / LOG_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return ProcessName.of(pid).model_dump_json()
