"""Every process that a supervisor starts, and every process that those start, carries one mark in its environment.

A process group is not enough to find them again: Prefect gives each flow run a session of its own, and a child of a
killed worker is adopted by init. The environment survives both, as Jenkins found for its builds.
"""

import os
import uuid
from collections.abc import Mapping

import psutil

LINEAGE_VARIABLE = "AUTOPILOT_LINEAGE"  # marks from the outermost supervisor inwards, separated by "/"
_EMPTY_SCANS = 2  # a process that forked before the first scan has finished its exec by the second


def new_mark() -> str:
    """A mark that no other supervisor uses."""
    return uuid.uuid4().hex


def marked(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """`environment` with `mark` added inside the marks it already carries."""
    outer = environment.get(LINEAGE_VARIABLE)
    return {**environment, LINEAGE_VARIABLE: f"{outer}/{mark}" if outer else mark}


def members(mark: str) -> list[psutil.Process]:
    """The living processes that carry `mark`, except the caller itself."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _carries(process, mark)]


def kill_members(mark: str, patience_seconds: float = 10.0) -> int:
    """SIGKILL whatever carries `mark`, again until nothing does; returns how many were killed.

    A member may fork between the scan and the signal, hence the repetition. TimeoutError when some outlive
    `patience_seconds`: they hang in the kernel, and only their device can free them.
    """
    killed: set[int] = set()
    empty_scans = 0
    waited = 0.0
    while empty_scans < _EMPTY_SCANS:
        found = members(mark)
        empty_scans = 0 if found else empty_scans + 1
        for process in found:
            killed.add(process.pid)
            _signal_kill(process)
        if waited >= patience_seconds:
            raise TimeoutError(f"processes {[p.pid for p in found]} did not die within {patience_seconds:.0f} s")
        psutil.wait_procs(found, timeout=0.2)
        waited += 0.2
    return len(killed)


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return mark in process.environ().get(LINEAGE_VARIABLE, "").split("/")
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False  # gone, or of another user, so not ours


def _signal_kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return  # it ended by itself between the scan and the signal
