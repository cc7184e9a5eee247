"""The files of `autopilot up` in its home: the lock, its processes, and their addresses."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from cli.stack.orphans import kill_marked
from healing.errors import ConfigError, Conflict, StoreUnavailable
from releases.files import write_atomically
from tasks.runtime.file_locks import exclusive, is_held
from tasks.runtime.restart_requests import SUPERVISOR_LOCK

LOCK_FILE = SUPERVISOR_LOCK
PROCESSES_FILE = "processes.json"
ADDRESSES_FILE = "addresses.json"
LOCK_WAIT_SECONDS = 1.0  # a command that checks whether the stack is up holds the lock for microseconds
FREE_BYTES_MIN = 64 * 1024 * 1024  # Prefect's and MLflow's databases alone take about 10 MB when new


class RunningService(BaseModel):
    """One service. `started_at` (epoch seconds) with `pid` identifies its process: pids are recycled."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started_at: float
    restarts: int = 0
    state: str = "healthy"

    def alive(self) -> bool:
        """Whether this process still runs; a recycled pid has another start time."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started_at) < 0.01
        except psutil.NoSuchProcess:
            return False


class Processes(BaseModel):
    """`processes.json`: the mark of all processes, the pipeline, the services, and the ports to use next time."""

    model_config = ConfigDict(frozen=True)

    mark: str = ""
    pipeline: str = ""
    services: tuple[RunningService, ...] = ()
    ports: dict[str, int] = {}


def read_processes(home: Path) -> Processes:
    """What the last `up` wrote, empty when there was none. ConfigError when the file has another content."""
    path = home / PROCESSES_FILE
    try:
        return Processes.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Processes()
    except ValidationError as exc:
        raise ConfigError(
            f"expected the processes of `autopilot up` in {path}, found something else; delete the file"
        ) from exc


def write_processes(home: Path, processes: Processes) -> None:
    """Replace `processes.json` in one step."""
    write_atomically(home / PROCESSES_FILE, processes.model_dump_json(indent=2).encode())


def check_home(home: Path, free_bytes_min: int = FREE_BYTES_MIN) -> None:
    """Raise ConfigError unless state can be written at `home`; creates nothing."""
    existing = next(path for path in (home, *home.parents) if path.exists())
    if not existing.is_dir():
        raise ConfigError(
            f"the state directory {home} needs a directory at {existing}, found a file; choose another --home"
        )
    read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
    if read_only or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"the state directory {home} cannot be written to; choose another --home")
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < free_bytes_min:
        raise ConfigError(
            f"the state directory {home} has {free_bytes // 2**20} MiB left, it needs {free_bytes_min // 2**20} MiB; "
            "free some space or choose another --home"
        )


def refuse_second(home: Path) -> None:
    """Raise Conflict when another supervisor holds `home`; creates nothing."""
    if is_held(home / LOCK_FILE):
        raise Conflict(_already_runs(home))


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold `home` for one supervisor; Conflict when another one holds it. The kernel releases it at any death."""
    with ExitStack() as held:
        try:
            lock = exclusive(home / LOCK_FILE, seconds_max=LOCK_WAIT_SECONDS, when_held=_already_runs(home))
            held.enter_context(lock)
        except StoreUnavailable as exc:
            raise ConfigError(
                f"expected to write to the state directory {home}, found: {exc}; choose another --home"
            ) from exc
        yield


def is_up(home: Path) -> bool:
    """Whether a supervisor holds `home` and has all its services healthy."""
    return (home / ADDRESSES_FILE).exists() and is_held(home / LOCK_FILE)


def _already_runs(home: Path) -> str:
    return f"`autopilot up` already runs on {home}; stop it first, or choose another --home"


def reap_leftovers(home: Path) -> int:
    """Kill the processes of an `up` that was killed together with its orphan killer; returns how many there were."""
    (home / ADDRESSES_FILE).unlink(missing_ok=True)
    mark = read_processes(home).mark
    return kill_marked(mark) if mark else 0
