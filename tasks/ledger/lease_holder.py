"""Names of the processes that hold leases, and whether such a process has ended, as far as this machine can say."""

import os
import socket
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ENDED_STATES = ("Z", "X")  # a zombie runs no code any more


def this_process() -> str:
    """Name of this process: host, kernel and process namespace, start, process id. No other process ever has it."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{_kernel()}/{_start_of(pid)}/{pid}"


def has_ended(holder: str) -> bool:
    """Whether the process has certainly ended. False for one of another host or container, which cannot be seen here.

    So a killed holder is replaced at once on its own machine; elsewhere its lease has to expire.
    """
    _, kernel, start, pid = (*holder.split("/"), "", "", "", "")[:4]
    return kernel == _kernel() and pid.isdigit() and _start_of(int(pid)) != start


@cache
def _kernel() -> str:
    """This boot of this machine, and the namespace in which process ids are counted."""
    namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{_BOOT_ID.read_text().strip()[:8]}-{namespace}"


def _start_of(pid: int) -> str:
    """When the process started, in ticks since the boot; empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in _ENDED_STATES else fields[19]
