"""Start processes, wait on conditions, and end them, politely first, with everything they started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from cli.stack.orphans import CLEAN_EXIT, kill_marked, marked, new_mark

POLL_SECONDS = 0.1  # how often a condition is checked; loopback answers in a few milliseconds
POLITE_SECONDS = 6.0  # uvicorn and Prefect's worker finish within 3 s on two busy cores


class ProcessTree:
    """Processes that end with this one, however it ends.

    Leaving the context ends them with SIGTERM, then SIGKILL. If this process is killed, `cli.stack.orphans`, a process
    of its own, kills them and everything that they started.
    """

    def __init__(self) -> None:
        self.mark = new_mark()
        self._running: list[subprocess.Popen[bytes]] = []
        self._orphan_killer: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._orphan_killer = subprocess.Popen(
            [sys.executable, "-m", "cli.stack.orphans", self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(self._running)
        kill_marked(self.mark)
        if self._orphan_killer is not None:
            self._orphan_killer.communicate(CLEAN_EXIT)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        directory: Path,
        descriptors: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own, its output appended to `log`; it inherits the `descriptors`."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=marked(environment, self.mark),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
            )
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL `process` and everything in its session, whether it runs, is stopped or has ended.

        A process with a session of its own goes on: a flow run does not end with the worker that started it.
        """
        with contextlib.suppress(ProcessLookupError):  # nothing is left of it
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel; its death is still to come
            process.wait(POLITE_SECONDS)
        self._running = [other for other in self._running if other is not process]

    def end(self, processes: Iterable[subprocess.Popen[bytes]]) -> None:
        """SIGTERM to all of `processes` at once, SIGKILL to those that are still there `POLITE_SECONDS` later."""
        ending = list(processes)
        for process in ending:
            process.terminate()
        deadline = time.monotonic() + POLITE_SECONDS
        for process in ending:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running = [process for process in self._running if process not in ending]


def wait_until(condition: Callable[[], bool], seconds_max: float) -> bool:
    """Whether `condition` became true within `seconds_max`."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def started_at(pid: int) -> float:
    """When process `pid` started (epoch seconds), which with the pid identifies the process."""
    return psutil.Process(pid).create_time()


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, for an error message."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096), os.SEEK_SET)
        text = stream.read().decode("utf-8", "replace")
    return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
