"""Finds and kills the processes of a supervisor that died, whoever their parent is now.

Every process that a supervisor starts carries one mark in its environment, and so does every process that those start.
A process group is not enough: Prefect gives each flow run a session of its own, and init adopts the child of a killed
worker. The environment survives both.

    python -m cli.stack.orphans MARK

waits for the supervisor that holds the other end of its standard input. A line CLEAN_EXIT there means that the
supervisor stopped its processes itself; end of file without it means that the supervisor was killed.
"""

import os
import signal
import sys
import uuid
from collections.abc import Mapping

import psutil

MARK_VARIABLE = "AUTOPILOT_PROCESS_MARK"  # marks from the outermost supervisor inwards, separated by "/"
CLEAN_EXIT = b"clean exit\n"
_EMPTY_SCANS = 2  # a process that forked before the first scan has finished its exec by the second


def new_mark() -> str:
    """A mark that no other supervisor uses."""
    return uuid.uuid4().hex


def marked(environment: Mapping[str, str], mark: str) -> dict[str, str]:
    """`environment` with `mark` added after the marks it already carries."""
    outer = environment.get(MARK_VARIABLE)
    return {**environment, MARK_VARIABLE: f"{outer}/{mark}" if outer else mark}


def marked_processes(mark: str) -> list[psutil.Process]:
    """The living processes that carry `mark`, except the caller itself."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _carries(process, mark)]


def kill_marked(mark: str, patience_seconds: float = 10.0) -> int:
    """SIGKILL whatever carries `mark`, again until nothing does; returns how many processes were killed.

    A process may fork between the scan and the signal, hence the repetition. TimeoutError when some outlive
    `patience_seconds`: they hang in the kernel, and only their device can free them.
    """
    killed: set[int] = set()
    empty_scans = 0
    waited = 0.0
    while empty_scans < _EMPTY_SCANS:
        found = marked_processes(mark)
        empty_scans = 0 if found else empty_scans + 1
        for process in found:
            killed.add(process.pid)
            _signal_kill(process)
        if waited >= patience_seconds:
            raise TimeoutError(f"processes {[p.pid for p in found]} did not die within {patience_seconds:.0f} s")
        psutil.wait_procs(found, timeout=0.2)
        waited += 0.2
    return len(killed)


def main() -> None:
    """Wait for the supervisor's end; kill every process of its mark unless it ended cleanly."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the supervisor's end ends the wait
    [_, mark] = sys.argv
    if sys.stdin.buffer.read() != CLEAN_EXIT:
        kill_marked(mark)


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return mark in process.environ().get(MARK_VARIABLE, "").split("/")
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False  # gone, or of another user, so not ours


def _signal_kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return  # it ended by itself between the scan and the signal


if __name__ == "__main__":
    main()
