"""Servers as processes: each in a group of its own, started with its output in a file, ended by its number."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

Wrap = Callable[[Sequence[str]], Sequence[str]]
_END_SECONDS = 15.0
# One thread a model process: with more of them a one-row predict takes many times as long under load.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_QUIET = {
    "DO_NOT_TRACK": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True)
class Running:
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def tree(self) -> list[psutil.Process]:
        """The process and all its descendants that live now."""
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def cpu_seconds(self) -> float:
        """Processor time of the living tree so far, user and system."""
        total = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    descriptors: Sequence[int] = (),
) -> Iterator[Running]:
    """A server for as long as the block lasts, which inherits the `descriptors`.

    At the end SIGTERM, then SIGKILL to whatever of its tree or group is left.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **_QUIET, **ONE_THREAD, **(environment or {})},
            cwd=folder,
            pass_fds=descriptors,
            start_new_session=True,
        )
    server = Running(process, log)
    try:
        yield server
    finally:
        end(server)


def end(server: Running) -> None:
    """End the server and every process it started; each is known by its number."""
    tree = server.tree()
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
        server.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(_END_SECONDS)
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # what it started after the tree was read is still in its group
    server.process.wait()


def supervised(command: Sequence[str]) -> list[str]:
    """The command under a loop that starts it again 100 ms after it ended, as systemd's Restart=always does."""
    return ["sh", "-c", 'while :; do "$@"; sleep 0.1; done', "sh", *command]


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
