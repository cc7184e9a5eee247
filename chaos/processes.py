"""A process named by number and start time, so that a recycled number is never signalled."""

import psutil
from pydantic import BaseModel, ConfigDict

START_TOLERANCE_SECONDS = 1.0  # the kernel counts starts in ticks from boot; writers round differently


class ProcessName(BaseModel):
    """`started_at` is seconds since the epoch, as psutil's `create_time` says."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The process that has this number now; psutil.NoSuchProcess when there is none."""
        return cls(pid=pid, started_at=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process itself, or None when it is gone (a zombie counts as gone) or its number was given to another."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started_at) <= START_TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None
