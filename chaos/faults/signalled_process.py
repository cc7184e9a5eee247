"""A process that is stopped, which keeps its sockets and answers nothing, or that is killed."""

import signal
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.lab import Lab
from chaos.processes import ProcessName

__all__ = ["KIND", "SignalledProcess", "find_process", "prepare"]

KIND = "signal"
DEATH_SECONDS_MAX = 10.0


class SignalledProcess(BaseModel):
    """SIGSTOP to one process, and SIGCONT to undo; or SIGKILL, which cannot be undone."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["signalled_process"] = "signalled_process"
    process: ProcessName
    signal: Literal["STOP", "KILL"] = "STOP"
    name: str = "process"

    @property
    def title(self) -> str:
        return f"{self.name} {self.process.pid} {'stopped' if self.signal == 'STOP' else 'killed'}"

    def inject(self) -> None:
        """Send the signal; ProcessLookupError when the process has ended. A killed process is gone on return."""
        process = self.process.find()
        if process is None:
            raise ProcessLookupError(f"expected process {self.process.pid} to run, but it has ended; is the stack up?")
        process.send_signal(signal.Signals[f"SIG{self.signal}"])
        if self.signal == "KILL":
            _wait_for_end(process)

    def undo(self) -> None:
        """Let a stopped process continue, if it still exists."""
        process = self.process.find()
        if process is not None and self.signal == "STOP":
            process.send_signal(signal.SIGCONT)

    def active(self) -> bool:
        """Whether the kernel reports the process as stopped, or as gone."""
        process = self.process.find()
        if self.signal == "KILL":
            return process is None
        try:
            return process is not None and process.status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False


def prepare(lab: Lab, process: str, signal: Literal["STOP", "KILL"]) -> SignalledProcess:
    """`process` is champion_worker, fallback_worker, fork_server, leader (the healer that leads) or a service.

    LookupError when there is none.
    """
    return SignalledProcess(process=find_process(lab, process), signal=signal, name=process)


def find_process(lab: Lab, name: str) -> ProcessName:
    """The process that has this part now. LookupError when there is none."""
    match name:
        case "champion_worker":
            return ProcessName.of(lab.worker(lab.champion()))
        case "fallback_worker":
            return ProcessName.of(lab.worker(lab.fallback()))
        case "leader":
            return lab.leader()
        case "fork_server":
            return _fork_server(lab)
        case _:
            return lab.process(name)


def _fork_server(lab: Lab) -> ProcessName:
    gateway = psutil.Process(lab.process("gateway").pid)
    found = [child for child in gateway.children(recursive=True) if "gateway.workers.forkserver" in child.cmdline()]
    if not found:
        raise LookupError(f"expected a fork server below gateway {gateway.pid}, found none; is the gateway warm?")
    return ProcessName.of(found[0].pid)


def _wait_for_end(process: psutil.Process) -> None:
    """Return when the process is gone or a zombie; its parent may be slow to collect it."""
    try:
        process.wait(timeout=DEATH_SECONDS_MAX if process.status() != psutil.STATUS_ZOMBIE else 0)
    except (psutil.TimeoutExpired, psutil.NoSuchProcess):
        return
