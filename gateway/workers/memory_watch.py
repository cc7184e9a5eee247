"""Replaces a worker that grows beyond its memory limit: it is killed, the next rung answers, another one starts.

The first time is reported as `resource_pressure` until the new worker is ready. A version that outgrows its limit again
is reported as `model_failing` by its condition (`Version.conditions`), and no longer as pressure on the machine.
"""

from collections.abc import Callable, Sequence

import structlog

from gateway.reporting.problems import ProblemBoard
from gateway.workers.group import WorkerGroup
from gateway.workers.memory import resident_bytes
from healing.incident import Cause

_log = structlog.get_logger(__name__)
PERIOD_SECONDS = 1.0


class MemoryWatch:
    """Kills a worker that holds `bytes_max` more than when it was ready."""

    def __init__(self, groups: Callable[[], Sequence[WorkerGroup]], problems: ProblemBoard, bytes_max: int) -> None:
        self._groups = groups
        self._problems = problems
        self._bytes_max = bytes_max

    async def look(self) -> None:
        for group in self._groups():
            self._judge(group)

    def _judge(self, group: WorkerGroup) -> None:
        digest, version = group.model.digest, group.model.version
        grew = False
        for worker in group.all:
            if not worker.ready or worker.pid is None:
                continue
            grown = resident_bytes(worker.pid) - worker.resident_bytes_when_ready
            if grown > self._bytes_max:
                grew = True
                group.outgrew()
                message = f"a worker of version {version} grew by {grown} bytes, {self._bytes_max} may be; replaced"
                _log.warning("worker_grew", version=version, digest=digest, pid=worker.pid, grown=grown)
                if not group.keeps_growing:
                    self._problems.begin(Cause.RESOURCE_PRESSURE, digest, message)
                worker.end_process()
        over = group.keeps_growing or (not grew and group.complete)
        if over and self._problems.has(Cause.RESOURCE_PRESSURE, digest):
            self._problems.end(digest, Cause.RESOURCE_PRESSURE)
