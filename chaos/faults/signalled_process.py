"""Processes that are stopped, which keep their sockets and answer nothing, or that are killed."""

import signal
from collections.abc import Callable, Mapping
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.flow_run import run_process
from chaos.lab import Lab
from chaos.processes import ProcessName

__all__ = ["KIND", "SignalledProcess", "SignalledWorkers", "find_process", "prepare"]

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


class SignalledWorkers(BaseModel):
    """The signal to every worker of one model: with one of them alive, the model would go on answering."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["signalled_workers"] = "signalled_workers"
    workers: tuple[SignalledProcess, ...]
    name: str

    @property
    def title(self) -> str:
        pids = ", ".join(str(each.process.pid) for each in self.workers)
        return f"{self.name} {pids} {'stopped' if self.workers[0].signal == 'STOP' else 'killed'}"

    def inject(self) -> None:
        """Send the signal to each; ProcessLookupError when one has ended."""
        for worker in self.workers:
            worker.inject()

    def undo(self) -> None:
        """Let stopped workers continue, if they still exist."""
        for worker in self.workers:
            worker.undo()

    def active(self) -> bool:
        """Whether the kernel reports each of them as stopped, or as gone."""
        return all(worker.active() for worker in self.workers)


def prepare(lab: Lab, process: str, signal: Literal["STOP", "KILL"]) -> SignalledProcess | SignalledWorkers:
    """`process` is champion_worker or fallback_worker, which are all workers of that model, or a single process:
    fork_server, leader (the healer that leads), ingest_run or flow_run (those of the drill) or a service.

    LookupError when there is none.
    """
    if process not in _MODELS:
        return SignalledProcess(process=find_process(lab, process), signal=signal, name=process)
    pids = lab.workers(_MODELS[process](lab))
    workers = tuple(SignalledProcess(process=ProcessName.of(pid), signal=signal, name=process) for pid in pids)
    return workers[0] if len(workers) == 1 else SignalledWorkers(workers=workers, name=process)


_MODELS: Mapping[str, Callable[[Lab], str]] = {"champion_worker": Lab.champion, "fallback_worker": Lab.fallback}


def find_process(lab: Lab, name: str) -> ProcessName:
    """The process that has this part now. LookupError when there is none."""
    match name:
        case "leader":
            return lab.leader()
        case "ingest_run" | "flow_run":
            return run_process(lab, name)
        case "fork_server":
            return _fork_server(lab)
        case _:
            return lab.process(name)


def _fork_server(lab: Lab) -> ProcessName:
    """The fork server below the gateway. Workers have its command line, too, because they are forked from it."""
    gateway = psutil.Process(lab.process("gateway").pid)
    workers = {each["pid"] for each in lab.release_state()["workers"]}
    for child in gateway.children(recursive=True):
        if child.pid not in workers and "gateway.workers.forkserver" in child.cmdline():
            return ProcessName.of(child.pid)
    raise LookupError(f"expected a fork server below gateway {gateway.pid}, found none; is the gateway warm?")


def _wait_for_end(process: psutil.Process) -> None:
    """Return when the process is gone or a zombie; its parent may be slow to collect it."""
    try:
        process.wait(timeout=DEATH_SECONDS_MAX if process.status() != psutil.STATUS_ZOMBIE else 0)
    except (psutil.TimeoutExpired, psutil.NoSuchProcess):
        return
