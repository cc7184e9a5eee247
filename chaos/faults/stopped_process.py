"""A stopped process: it keeps its sockets and answers nothing."""

import signal
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.processes import ProcessName

__all__ = ["StoppedProcess"]


class StoppedProcess(BaseModel):
    """SIGSTOP to one process, SIGCONT to undo."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["stopped_process"] = "stopped_process"
    process: ProcessName

    @property
    def title(self) -> str:
        return f"process {self.process.pid} stopped"

    def inject(self) -> None:
        """Stop the process; ProcessLookupError when it has ended."""
        process = self.process.find()
        if process is None:
            raise ProcessLookupError(f"expected process {self.process.pid} to run, but it has ended; is the stack up?")
        process.send_signal(signal.SIGSTOP)

    def undo(self) -> None:
        """Let the process continue, if it still exists."""
        process = self.process.find()
        if process is not None:
            process.send_signal(signal.SIGCONT)

    def active(self) -> bool:
        """Whether the kernel reports the process as stopped."""
        process = self.process.find()
        try:
            return process is not None and process.status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False
