"""Replaces a worker that grows beyond its memory limit: it is killed, the next rung answers, another one starts."""

from collections.abc import Callable, Sequence

import structlog

from gateway.reporting.problems import ProblemBoard
from gateway.workers.memory import resident_bytes
from gateway.workers.worker import Worker
from healing.incident import Cause

_log = structlog.get_logger(__name__)
PERIOD_SECONDS = 1.0


class MemoryWatch:
    """Kills a worker that holds `bytes_max` more than when it was ready."""

    def __init__(self, workers: Callable[[], Sequence[Worker]], problems: ProblemBoard, bytes_max: int) -> None:
        self._workers = workers
        self._problems = problems
        self._bytes_max = bytes_max

    async def look(self) -> None:
        for worker in self._workers():
            if worker.ready and worker.pid is not None:
                grown = resident_bytes(worker.pid) - worker.resident_bytes_when_ready
                self._judge(worker, worker.pid, grown)

    def _judge(self, worker: Worker, pid: int, grown: int) -> None:
        digest = worker.model.digest
        if grown > self._bytes_max:
            message = (
                f"a worker of version {worker.model.version} grew by {grown} bytes, {self._bytes_max} may be; replaced"
            )
            _log.warning("worker_grew", version=worker.model.version, digest=digest, pid=pid, grown=grown)
            self._problems.begin(Cause.RESOURCE_PRESSURE, digest, message)
            worker.end_process()
        elif self._problems.has(Cause.RESOURCE_PRESSURE, digest):
            self._problems.end(digest, Cause.RESOURCE_PRESSURE)
