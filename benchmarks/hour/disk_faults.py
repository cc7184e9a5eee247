"""Faults of the gateway's disk: writes to the prediction log stall, or find no room."""

import ctypes
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.hour.stage import Stage, Unexpected

_STALL_SECONDS = 8.0  # an answer waits for its write for half a second at most
_FULL_SECONDS = 10.0
_OBSERVED_SECONDS = 1.0  # of context switches, which show the thread that writes the log
_ANSWER_SECONDS_MAX = 10.0  # of the operate port, while the log's thread is stopped
_ATTEMPTS = 3
_PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000


def stall_log(stage: Stage) -> None:
    """The thread that writes the prediction log is stopped in the middle of its work, as by a disk that hangs.

    A thread that is stopped while it holds Python's lock stops the whole process, which no disk does: then it
    continues at once, and is stopped again.
    """
    router = stage.gateway.server.pid
    for _ in range(_ATTEMPTS):
        with _stopped(_busiest_thread(router)):
            if _answers(stage):
                time.sleep(_STALL_SECONDS)
                return
    raise Unexpected(f"expected the gateway to answer while its log stalls, found none of {_ATTEMPTS} answers")


def fill_disk(stage: Stage) -> None:
    """The router can write to no file beyond its first byte. Workers and clients are not affected."""
    router = stage.gateway.server.pid
    soft, hard = resource.prlimit(router, resource.RLIMIT_FSIZE)
    resource.prlimit(router, resource.RLIMIT_FSIZE, (1, hard))
    try:
        stage.wait(lambda: _reports(stage, "disk_full"), "the problem disk_full")
        time.sleep(_FULL_SECONDS)
    finally:
        resource.prlimit(router, resource.RLIMIT_FSIZE, (soft, hard))


def _reports(stage: Stage, code: str) -> bool:
    return code in {problem["code"] for problem in stage.gateway.release()["problems"]}


def _answers(stage: Stage) -> bool:
    try:
        return httpx.get(f"{stage.gateway.operate_url}/health", timeout=_ANSWER_SECONDS_MAX).is_success
    except httpx.TransportError:
        return False


def _busiest_thread(pid: int) -> int:
    """The thread beside the event loop that works most often: under load, the one that writes the log."""
    before = _switches(pid)
    time.sleep(_OBSERVED_SECONDS)
    worked = {tid: count - before.get(tid, count) for tid, count in _switches(pid).items() if tid != pid}
    if not worked or not max(worked.values()):
        raise Unexpected(f"expected a thread of process {pid} that writes its log, found {len(worked)} idle ones")
    return max(worked, key=worked.__getitem__)


def _switches(pid: int) -> dict[int, int]:
    """How often each thread of a process has waited for something so far."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = (task / "status").read_text().splitlines()
        except OSError:
            continue  # it ended
        found[int(task.name)] = int(next(line.split()[1] for line in lines if line.startswith("voluntary")))
    return found


@contextmanager
def _stopped(tid: int) -> Iterator[None]:
    """Stop one thread of another process, and no other. Needs the right to trace that process, as its parent has."""
    _trace(_PTRACE_SEIZE, tid)
    try:
        _trace(_PTRACE_INTERRUPT, tid)
        os.waitpid(tid, _WALL)
        yield
    finally:
        _trace(_PTRACE_DETACH, tid)


def _trace(request: int, tid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = ctypes.c_void_p(0)
    if libc.ptrace(request, tid, nothing, nothing) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}, {tid}): {os.strerror(number)}")
