"""Flow runs as local processes, for the time in which Prefect does not answer.

The process of a run records itself under the idempotency key before it calls the flow, and ends if the key is taken.
So the same key gives one run, whoever is killed in between.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tasks.config.settings import Settings
from tasks.runtime.traces import PARENT_VARIABLE, attempt_context

PREFIX = "local:"
_START_TOLERANCE_SECONDS = 0.01

_PREFECT_START_SECONDS_MAX = 180  # of the ephemeral server, whose own limit of 20 s a busy machine exceeds
_RECORD_SECONDS_MAX = 60.0  # for a new process to record itself, on a busy machine

# Runs outlive a call on purpose; ended ones are reaped at the next start or cancellation.
_started: list[subprocess.Popen[bytes]] = []

_RUN = """
import importlib, json, os, sys
import psutil
record, function, parameters = sys.argv[1:]
beside = f"{record}.{os.getpid()}"
with open(beside, "w") as file:
    json.dump({"pid": os.getpid(), "started_at": psutil.Process().create_time()}, file)
try:
    os.link(beside, record)  # fails if the key has a run
except FileExistsError:
    sys.exit(0)
finally:
    os.unlink(beside)
module, _, name = function.partition(":")
result = "failed"
try:
    getattr(importlib.import_module(module), name)(**json.loads(parameters))
    result = "completed"
finally:
    with open(beside, "w") as file:
        file.write(result)
    os.replace(beside, f"{record}.result")
"""


def start_local_run(
    settings: Settings,
    function: str,
    parameters: Mapping[str, object],
    idempotency_key: str,
    *,
    prefect_answers: bool = False,
) -> str:
    """Start `function` ("module:name") in its own process; returns the id of the run.

    It has an ephemeral Prefect, which takes seconds to start, unless `prefect_answers`.
    """
    folder = settings.home / "healer" / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / f"{hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]}.json"
    if record.exists():
        return f"{PREFIX}{record}"
    environment = {**os.environ, "AUTOPILOT_DISPATCH": "inline"}
    if (attempt := attempt_context(idempotency_key)) is not None:
        environment[PARENT_VARIABLE] = attempt.traceparent
    if not prefect_answers:
        environment.pop("PREFECT_API_URL", None)
        environment["PREFECT_HOME"] = str(settings.home / "healer" / "prefect")
        environment.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", str(_PREFECT_START_SECONDS_MAX))
    with record.with_suffix(".log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(record), function, json.dumps(dict(parameters))],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _reap()
    _started.append(process)
    deadline = time.monotonic() + _RECORD_SECONDS_MAX
    while not record.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return f"{PREFIX}{record}"


def local_run_is_active(run_id: str) -> bool:
    """Whether the process of the run is alive."""
    return _process(run_id) is not None


def local_run_result(run_id: str) -> str | None:
    """How the ended run ended: "completed" or "failed"; None if its process was killed."""
    try:
        return Path(f"{run_id.removeprefix(PREFIX)}.result").read_text()
    except FileNotFoundError:
        return None


def cancel_local_run(run_id: str) -> None:
    """Kill the process of the run and its children.

    The process is stopped first and killed before its children: a run whose child is killed beneath it could go on,
    and record that it completed.
    """
    process = _process(run_id)
    if process is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    _reap()


def _reap() -> None:
    """Forget the processes that have ended."""
    _started[:] = [process for process in _started if process.poll() is None]


def _process(run_id: str) -> psutil.Process | None:
    """The living process of the run. A recycled process id has another start time."""
    try:
        record = json.loads(Path(run_id.removeprefix(PREFIX)).read_bytes())
        process = psutil.Process(record["pid"])
        is_same = abs(process.create_time() - record["started_at"]) < _START_TOLERANCE_SECONDS
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
