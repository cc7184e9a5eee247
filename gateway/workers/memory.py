"""Keeping a worker that grows from taking the machine with it.

Three lines of defence. A sudden allocation beyond the worker's own limit raises MemoryError in the model, and fails
only the row that asked for it. A slow leak is seen from here: the worker is killed, the next rung answers, another one
starts. And where the machine runs out of memory, the kernel ends workers first, then the fork server, the router last.
"""

import asyncio
import os
import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.problems import ProblemBoard
from healing.incident import Cause

if TYPE_CHECKING:
    from gateway.versions import Version

_log = structlog.get_logger(__name__)
_PERIOD_SECONDS = 1.0
_SUDDEN = 1.5  # of what a worker may grow by: what the watch would find a second later is let pass until then
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
WORKER_OOM_SCORE = 900
FORKSERVER_OOM_SCORE = 600


def limit_own_growth(bytes_max: int) -> None:
    """Let allocations of this process fail once it holds `bytes_max` and a half more than it does now."""
    status = Path("/proc/self/status").read_text()
    (held,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + int(_SUDDEN * bytes_max)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def prefer_to_be_killed(score: int) -> None:
    """Have the kernel end this process before those with a lower score when memory runs out (0 to 1000)."""
    Path("/proc/self/oom_score_adj").write_text(str(score))


def resident_bytes(pid: int) -> int:
    """Memory that a process holds now; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


class MemoryWatch:
    """Kills a worker that holds `bytes_max` more than when it was ready."""

    def __init__(self, versions: Callable[[], "Sequence[Version]"], problems: ProblemBoard, bytes_max: int) -> None:
        self._versions = versions
        self._problems = problems
        self._bytes_max = bytes_max

    async def follow(self) -> None:
        """Never returns; cancel it."""
        while True:
            self.look()
            await asyncio.sleep(_PERIOD_SECONDS)

    def look(self) -> None:
        for version in self._versions():
            worker = version.worker
            if worker.ready and worker.pid is not None:
                grown = resident_bytes(worker.pid) - worker.resident_bytes_when_ready
                self._judge(version, worker.pid, grown)

    def _judge(self, version: "Version", pid: int, grown: int) -> None:
        digest = version.model.digest
        if grown > self._bytes_max:
            told = (
                f"a worker of version {version.model.version} grew by {grown} bytes, {self._bytes_max} may be; replaced"
            )
            _log.warning("worker_grew", version=version.model.version, digest=digest, pid=pid, grown=grown)
            self._problems.begin(Cause.RESOURCE_PRESSURE, digest, told)
            version.worker.end_process()
        elif self._problems.has(Cause.RESOURCE_PRESSURE, digest):
            self._problems.end(digest, Cause.RESOURCE_PRESSURE)
