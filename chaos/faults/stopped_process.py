"""A process that hangs: it keeps its sockets and answers nothing."""

import signal
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.processes import ProcessName


class StoppedProcess(BaseModel):
    """SIGSTOP to one process, SIGCONT to undo."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["stopped_process"] = "stopped_process"
    process: ProcessName

    @property
    def title(self) -> str:
        return f"process {self.process.pid} stopped"

    def inject(self) -> None:
        """Stop the process; ProcessLookupError when it is gone already."""
        process = self.process.find()
        if process is None:
            raise ProcessLookupError(f"expected process {self.process.pid} to run, found it gone; is the stack up?")
        process.send_signal(signal.SIGSTOP)

    def undo(self) -> None:
        """Let it go on. A process that is gone has nothing to undo."""
        process = self.process.find()
        if process is not None:
            process.send_signal(signal.SIGCONT)

    def active(self) -> bool:
        """The kernel says so: the process exists and is stopped."""
        process = self.process.find()
        try:
            return process is not None and process.status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False
