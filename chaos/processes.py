"""A process identified by pid and start time, so that a recycled pid is never signalled."""

import psutil
from pydantic import BaseModel, ConfigDict

__all__ = ["ProcessName"]

START_TOLERANCE_SECONDS = 1.0  # the kernel counts starts in ticks since boot; writers round differently


class ProcessName(BaseModel):
    """`started_at` is psutil's `create_time`, seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The process that has this pid now; psutil.NoSuchProcess when there is none."""
        return cls(pid=pid, started_at=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process, or None when it ended (a zombie has ended) or another process has its pid."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) <= START_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None
