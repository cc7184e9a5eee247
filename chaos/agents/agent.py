"""Starts and ends a process that keeps a fault active, and what such a process runs in."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

from chaos.processes import ProcessName
from chaos.staging.credentials import target_environment

__all__ = ["Agent", "keep_active"]

POLL_SECONDS = 0.02
END_SECONDS_MAX = 5.0  # after its keep file is gone an agent ends within its poll time; a stopped one is killed
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class Agent(BaseModel):
    """A process that acts for as long as its keep file exists, and for `seconds_max` at most.

    The file exists before the process, so that an undo after a kill between the two ends the process as well.
    """

    model_config = ConfigDict(frozen=True)

    module: str
    arguments: tuple[str, ...]
    keep_file: Path
    seconds_max: float

    def start(self) -> None:
        """Start the process in a session of its own, so that the end of the drill leaves it to the reaper."""
        self.keep_file.parent.mkdir(parents=True, exist_ok=True)
        self.keep_file.touch()
        command = [sys.executable, "-m", f"chaos.agents.{self.module}", str(self.keep_file), str(self.seconds_max)]
        log = os.fspath(self.keep_file.with_suffix(".log"))
        pid = os.posix_spawn(
            sys.executable,
            [*command, *self.arguments],
            {"PYTHONPATH": str(_PACKAGE_PARENT), "PATH": os.environ.get("PATH", ""), **target_environment()},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._name_file.write_text(ProcessName.of(pid).model_dump_json(), encoding="utf-8")

    def end(self) -> None:
        """Remove the keep file, and return when the process has ended. May be called again."""
        self.keep_file.unlink(missing_ok=True)
        process = self.find()
        if process is None:
            return
        try:
            process.wait(timeout=END_SECONDS_MAX)
        except psutil.TimeoutExpired:
            process.kill()

    def find(self) -> psutil.Process | None:
        """The running process; None when it has not started or has ended."""
        try:
            return ProcessName.model_validate_json(self._name_file.read_bytes()).find()
        except FileNotFoundError:
            return None

    @property
    def _name_file(self) -> Path:
        return self.keep_file.with_suffix(".process.json")


def keep_active(arguments: Sequence[str], step: Callable[[], None], poll_seconds: float = POLL_SECONDS) -> None:
    """Call `step` again and again until the keep file is gone or the time is over; `arguments` are the agent's own."""
    keep_file, end = Path(arguments[0]), time.monotonic() + float(arguments[1])
    while keep_file.exists() and time.monotonic() < end:
        step()
        time.sleep(poll_seconds)
