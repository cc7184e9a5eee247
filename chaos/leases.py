"""Every fault is a lease: on disk before it is injected, with a time to live, undone by its holder or by the reaper.

The order is what makes it safe: write the lease, start the reaper, inject. Whatever dies in between, somebody is left
who knows what to undo. Undo may run twice.
"""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaos.faults.corrupted_file import CorruptedFile
from chaos.faults.paused_deployment import PausedDeployment
from chaos.faults.stopped_process import StoppedProcess
from chaos.processes import ProcessName

Fault = Annotated[StoppedProcess | CorruptedFile | PausedDeployment, Field(discriminator="kind")]

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_reapers: dict[Path, subprocess.Popen[bytes]] = {}  # one a lease directory; each ends by itself


class Lease(BaseModel):
    """A fault that `holder` may keep in until `expires_at` (seconds since the epoch: it has to survive a reboot)."""

    model_config = ConfigDict(frozen=True)

    id: str
    fault: Fault
    holder: ProcessName
    taken_at: float
    expires_at: float
    undone_at: float | None = None

    @property
    def outstanding(self) -> bool:
        return self.undone_at is None


def take(directory: Path, fault: Fault, *, ttl_seconds: float) -> Lease:
    """Record a lease on `fault`, see to a reaper, inject. Raises what the injection raises, after undoing it."""
    now = time.time()
    lease = Lease(
        id=uuid.uuid4().hex,
        fault=fault,
        holder=ProcessName.of(os.getpid()),
        taken_at=now,
        expires_at=now + ttl_seconds,
    )
    _write(directory, lease)
    start_reaper(directory, lease.holder)
    try:
        fault.inject()
    except Exception:
        give_back(directory, lease)
        raise
    return lease


def give_back(directory: Path, lease: Lease) -> None:
    """Undo the fault and record that; safe to call again. Where the undo raises, the lease stays outstanding."""
    lease.fault.undo()
    _write(directory, lease.model_copy(update={"undone_at": time.time()}))


def give_back_all(directory: Path) -> int:
    """Undo every outstanding lease in `directory`, the latest first; return how many there were."""
    leases = [lease for lease in read_all(directory) if lease.outstanding]
    for lease in reversed(leases):
        give_back(directory, lease)
    return len(leases)


def read_all(directory: Path) -> list[Lease]:
    """The leases in `directory`, the earliest first."""
    leases = [Lease.model_validate_json(path.read_bytes()) for path in _files(directory)]
    return sorted(leases, key=lambda lease: lease.taken_at)


def start_reaper(directory: Path, holder: ProcessName) -> None:
    """See to a running reaper for this process's leases in `directory`; it outlives us and our terminal.

    It gets an environment of its own: whoever ends all processes of a stack by a mark in theirs must not end this one.
    """
    running = _reapers.get(directory)
    if running is not None and running.poll() is None:
        return
    with (directory / "reaper.log").open("ab") as log:
        _reapers[directory] = subprocess.Popen(
            [sys.executable, "-m", "chaos.reaper", str(directory), str(holder.pid), str(holder.started_at)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PYTHONPATH": str(_PACKAGE_PARENT), "PATH": os.environ.get("PATH", "")},
        )


def _files(directory: Path) -> Iterator[Path]:
    return directory.glob("*.lease.json")


def _write(directory: Path, lease: Lease) -> None:
    """Write in one step and to the platter: a lease that a crash can lose protects nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{lease.id}.lease.json"
    beside = path.with_suffix(f".{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(lease.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
