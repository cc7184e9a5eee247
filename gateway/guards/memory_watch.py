"""A worker that grows is replaced before the machine suffers: it is killed, the next rung answers, one starts."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from gateway.problems import ProblemBoard
from gateway.workers.memory import resident_bytes
from healing.incident import Cause

if TYPE_CHECKING:
    from gateway.versions import Version

_log = structlog.get_logger(__name__)
_PERIOD_SECONDS = 1.0


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
