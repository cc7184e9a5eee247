"""A resource that a process lacks: room for files, or processor time.

The size of a process's files is limited by the kernel, so the same errors appear as on a full disk, and no other
process on the machine is affected.
"""

import resource as kernel
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.agents.agent import Agent
from chaos.lab import Lab
from chaos.processes import ProcessName

__all__ = ["KIND", "BusyProcessor", "FullDisk", "prepare"]

KIND = "resource"
BYTES_LEFT = 1  # 0 and 1 are the same to a log; the kernel wants a number


class FullDisk(BaseModel):
    """One process that can write to no file beyond its first byte (RLIMIT_FSIZE)."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["full_disk"] = "full_disk"
    process: ProcessName
    name: str
    soft_before: int

    @property
    def title(self) -> str:
        return f"no disk space left for {self.name} {self.process.pid}"

    def inject(self) -> None:
        """Lower the soft limit; ProcessLookupError when the process has ended."""
        process = self.process.find()
        if process is None:
            raise ProcessLookupError(f"expected process {self.process.pid} to run, but it has ended; is the stack up?")
        _limit(process, BYTES_LEFT)

    def undo(self) -> None:
        """Restore the soft limit, if the process still exists."""
        process = self.process.find()
        if process is not None:
            _limit(process, self.soft_before)

    def active(self) -> bool:
        """Whether the kernel refuses larger files to the process."""
        process = self.process.find()
        return process is not None and process.rlimit(psutil.RLIMIT_FSIZE)[0] == BYTES_LEFT


class BusyProcessor(BaseModel):
    """Agents that compute without a pause, one per core."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["busy_processor"] = "busy_processor"
    agents: tuple[Agent, ...]

    @property
    def title(self) -> str:
        return f"{len(self.agents)} processes compute without a pause"

    def inject(self) -> None:
        """Start the agents."""
        for agent in self.agents:
            agent.start()

    def undo(self) -> None:
        """End the agents."""
        for agent in self.agents:
            agent.end()

    def active(self) -> bool:
        """Whether every agent has used processor time."""
        processes = [agent.find() for agent in self.agents]
        return all(process is not None and process.cpu_times().user > 0.1 for process in processes)


def prepare(
    lab: Lab, resource: Literal["disk", "processor"], process: str = "gateway", seconds_max: float = 240.0
) -> FullDisk | BusyProcessor:
    """`resource` is disk, for a service of `autopilot up`, or processor, for the machine."""
    match resource:
        case "disk":
            name = lab.process(process)
            soft, _ = kernel.prlimit(name.pid, kernel.RLIMIT_FSIZE)
            return FullDisk(process=name, name=process, soft_before=soft)
        case "processor":
            cores = psutil.cpu_count() or 1
            keep_files = [lab.leases / f"burn.{number}.keep" for number in range(cores)]
            return BusyProcessor(
                agents=tuple(
                    Agent(module="burn", arguments=(), keep_file=file, seconds_max=seconds_max) for file in keep_files
                )
            )
        case _:
            raise LookupError(f"expected the resource disk or processor, found {resource!r}")


def _limit(process: psutil.Process, soft: int) -> None:
    _, hard = kernel.prlimit(process.pid, kernel.RLIMIT_FSIZE)
    kernel.prlimit(process.pid, kernel.RLIMIT_FSIZE, (soft, hard))
