"""Starts the process of the fork server. A gateway does this first, so this file imports nothing that takes time.

The fork server imports model libraries for more than a second, and everything that a router imports before would be
added to that. `python -X importtime -c "import …"` shows what takes how long.
"""

import os
import socket
import subprocess
import sys
from typing import NamedTuple

# One thread a worker: more of them fight for the cores (one-row predictions took 15-185 ms instead of 3.4).
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


class ForkServerProcess(NamedTuple):
    """The process, and the socket on which it takes requests for workers."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket


def start_fork_server() -> ForkServerProcess:
    """Start the fork server, which then imports the model libraries; returns at once.

    Call it on the main thread: the fork server ends with the thread that started it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.workers.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | _ONE_THREAD,
        )
    ours.setblocking(False)  # a fork server that is stopped reads nothing, and may not block this process
    return ForkServerProcess(process, ours)
