"""Kill the worker process of the champion."""

from collections.abc import Mapping
from typing import Any

import psutil

from chaos.lab import Lab
from chaos.processes import ProcessName
from chaos.record import sample
from chaos.recovery import FAULT_ACTIVE

__all__ = ["kill_champion_worker"]

DEATH_SECONDS_MAX = 10.0


def kill_champion_worker(configuration: Mapping[str, Any]) -> int:
    """SIGKILL the champion's worker and wait for its end; return its pid. There is nothing to undo."""
    lab = Lab.of(configuration)
    champion = lab.champion()
    workers = lab.release_state()["workers"]
    pids = [worker["pid"] for worker in workers if worker["digest"] == champion and worker["pid"]]
    if not pids:
        raise LookupError(f"expected a worker for champion {champion[:12]}, found none; is the gateway warm?")
    name = ProcessName.of(pids[0])
    title = f"worker {name.pid} killed"
    process = name.find()
    sample(lab.directory, FAULT_ACTIVE, holds=process is None, value=title)
    if process is not None:
        process.kill()
        _wait_for_end(process)
    sample(lab.directory, FAULT_ACTIVE, holds=name.find() is None, value=title)
    return name.pid


def _wait_for_end(process: psutil.Process) -> None:
    """Return when the process is gone or a zombie; its parent may be slow to collect it."""
    try:
        process.wait(timeout=DEATH_SECONDS_MAX if process.status() != psutil.STATUS_ZOMBIE else 0)
    except (psutil.TimeoutExpired, psutil.NoSuchProcess):
        return
