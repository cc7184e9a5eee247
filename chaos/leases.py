"""Every fault is a lease: on disk before it is injected, with a time to live, undone by its holder or by the reaper.

The order makes it safe: write the lease, start the reaper, inject. Whichever process dies in between, another one knows
what to undo. Undo may run twice.
"""

import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chaos.faults.absent_batch import AbsentBatch
from chaos.faults.candidate import Candidate
from chaos.faults.changed_file import ChangedFile
from chaos.faults.clock import SteppedClock
from chaos.faults.crash_loop import CrashLoop
from chaos.faults.crowd import Crowd
from chaos.faults.disabled_remedy import DisabledRemedy
from chaos.faults.error_answers import ErrorAnswers
from chaos.faults.every_model import EveryModel
from chaos.faults.feed import SpoiledBatch
from chaos.faults.hanging_release import HangingRelease
from chaos.faults.hidden_directory import HiddenDirectory
from chaos.faults.locked_database import LockedDatabase
from chaos.faults.machine_load import BusyProcessors, HeldMemory
from chaos.faults.prefect import IdlePrefect
from chaos.faults.resource import FullDisk
from chaos.faults.signalled_process import SignalledProcess, SignalledWorkers
from chaos.faults.spoiled_log import SpoiledLog
from chaos.faults.toxic import Toxic
from chaos.processes import ProcessName
from chaos.staging.credentials import target_environment

__all__ = ["Fault", "Lease", "give_back", "give_back_all", "read_all", "take"]

Fault = Annotated[
    SignalledProcess
    | SignalledWorkers
    | ChangedFile
    | EveryModel
    | HangingRelease
    | HiddenDirectory
    | DisabledRemedy
    | CrashLoop
    | Crowd
    | LockedDatabase
    | FullDisk
    | BusyProcessors
    | HeldMemory
    | SpoiledLog
    | SteppedClock
    | Toxic
    | ErrorAnswers
    | Candidate
    | SpoiledBatch
    | AbsentBatch
    | IdlePrefect,
    Field(discriminator="kind"),
]

_PACKAGE_PARENT = Path(__file__).resolve().parent.parent
_reapers: dict[Path, ProcessName] = {}  # one per lease directory; each ends after the holder's leases and the holder


class Lease(BaseModel):
    """A fault that `holder` may keep active until `expires_at` (seconds since the epoch, which survive a reboot)."""

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
    """Record a lease on `fault`, start a reaper, inject. Raises what the injection raises, after the undo."""
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
    """Undo the fault and record that; may be called again. If the undo raises, the lease stays outstanding."""
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
    """Start a reaper for the leases in `directory` unless one runs; it outlives this process and its terminal.

    It has a session and an environment of its own, so that nothing which ends a stack's processes ends it too. It is
    started with `posix_spawn`: a Popen object would warn of a running child when this process ends, and the reaper is
    meant to run on.
    """
    known = _reapers.get(directory)
    if known is not None and known.find() is not None:
        return
    log = os.fspath(directory / "reaper.log")
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "chaos.reaper", str(directory), str(holder.pid), str(holder.started_at)],
        {"PYTHONPATH": str(_PACKAGE_PARENT), "PATH": os.environ.get("PATH", ""), **target_environment()},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    _reapers[directory] = ProcessName.of(pid)


def _files(directory: Path) -> Iterator[Path]:
    return directory.glob("*.lease.json")


def _write(directory: Path, lease: Lease) -> None:
    """Write in one step and flush to disk: a crash must not lose a lease."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{lease.id}.lease.json"
    beside = path.with_suffix(f".{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(lease.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
