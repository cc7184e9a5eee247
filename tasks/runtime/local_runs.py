"""Flow runs as local processes, for the time in which Prefect does not answer.

The record of a run is written before its process starts, under its idempotency key, so the same key finds the same run.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil

from releases.files import write_atomically
from tasks.config.settings import Settings

PREFIX = "local:"
_START_TOLERANCE_SECONDS = 0.01

_RUN = """
import importlib, json, sys
module, _, name = sys.argv[1].partition(":")
getattr(importlib.import_module(module), name)(**json.loads(sys.argv[2]))
"""


def start_local_run(settings: Settings, function: str, parameters: Mapping[str, object], idempotency_key: str) -> str:
    """Start `function` ("module:name") in its own process, with an ephemeral Prefect; returns the id of the run."""
    folder = settings.home / "healer" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]}.json"
    if record.exists():
        return f"{PREFIX}{record}"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(settings.home / "healer" / "prefect"), "AUTOPILOT_DISPATCH": "inline"}
    with record.with_suffix(".log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, function, json.dumps(dict(parameters))],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    started_at = psutil.Process(process.pid).create_time()
    write_atomically(record, json.dumps({"pid": process.pid, "started_at": started_at}).encode())
    return f"{PREFIX}{record}"


def local_run_is_active(run_id: str) -> bool:
    """Whether the process of the run is alive."""
    return _process(run_id) is not None


def cancel_local_run(run_id: str) -> None:
    """Kill the process of the run and its children."""
    process = _process(run_id)
    if process is None:
        return
    for each in (*process.children(recursive=True), process):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _process(run_id: str) -> psutil.Process | None:
    """The living process of the run. A recycled process id has another start time."""
    try:
        record = json.loads(Path(run_id.removeprefix(PREFIX)).read_bytes())
        process = psutil.Process(record["pid"])
        is_same = abs(process.create_time() - record["started_at"]) < _START_TOLERANCE_SECONDS
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
