"""A resource that is short: room for files of one process, or processors or memory of the machine.

The size of a process's files is limited by the kernel, so the same errors appear as on a full disk, and no other
process on the machine is affected.
"""

import resource as kernel
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.faults.machine_load import BusyProcessors, HeldMemory, prepare_burners, prepare_memory
from chaos.faults.signalled_process import find_process
from chaos.lab import Lab
from chaos.processes import ProcessName

__all__ = ["KIND", "FullDisk", "prepare"]

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


def prepare(
    lab: Lab, resource: Literal["disk", "cpu", "memory"], process: str = "", seconds_max: float = 240.0
) -> FullDisk | BusyProcessors | HeldMemory:
    """`resource` is disk, with `process` as for a signal, or cpu or memory of the machine.

    LookupError for another resource or process, or where the machine has no memory to spare.
    """
    match resource:
        case "disk":
            return _full_disk(lab, process)
        case "cpu":
            return prepare_burners(lab, seconds_max)
        case "memory":
            return prepare_memory(lab, seconds_max)
        case _:
            raise LookupError(f"expected the resource disk, cpu or memory, found {resource!r}")


def _full_disk(lab: Lab, process: str) -> FullDisk:
    name = find_process(lab, process)
    soft, _ = kernel.prlimit(name.pid, kernel.RLIMIT_FSIZE)
    return FullDisk(process=name, name=process, soft_before=soft)


def _limit(process: psutil.Process, soft: int) -> None:
    _, hard = kernel.prlimit(process.pid, kernel.RLIMIT_FSIZE)
    kernel.prlimit(process.pid, kernel.RLIMIT_FSIZE, (soft, hard))
