"""Stops and continues the worker of one model in turn: `... KEEP_FILE SECONDS OPERATE_URL DIGEST STOPPED RUNNING`.

Whichever process serves the model is slowed, so that a restart of the worker does not help.
"""

import contextlib
import signal
import sys
import time

import httpx
import psutil

from chaos.agents.agent import keep_active
from chaos.processes import ProcessName

TIMEOUT_SECONDS = 2.0
LOOK_SECONDS = 0.5  # between two readings of the worker's pid


class SlowedWorker:
    """The worker process of one model, read anew every LOOK_SECONDS."""

    def __init__(self, operate: str, digest: str, stopped_seconds: float, running_seconds: float) -> None:
        self._operate, self._digest = operate, digest
        self._stopped_seconds, self._running_seconds = stopped_seconds, running_seconds
        self._process: ProcessName | None = None
        self._read_at = float("-inf")

    def slow(self) -> None:
        """Stop the process for a while, continue it, and let it run for a while."""
        if time.monotonic() - self._read_at >= LOOK_SECONDS:
            self._process, self._read_at = self._read(), time.monotonic()
        process = self._process.find() if self._process is not None else None
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                process.send_signal(signal.SIGSTOP)
                time.sleep(self._stopped_seconds)
            finally:
                process.send_signal(signal.SIGCONT)
        time.sleep(self._running_seconds)

    def _read(self) -> ProcessName | None:
        try:
            workers = httpx.get(f"{self._operate}/release", timeout=TIMEOUT_SECONDS, trust_env=False).json()["workers"]
            pids = [each["pid"] for each in workers if each["digest"] == self._digest and each["state"] == "ready"]
            return ProcessName.of(pids[0]) if pids and pids[0] else None
        except (httpx.HTTPError, ValueError, psutil.NoSuchProcess):
            return self._process


if __name__ == "__main__":
    operate_url, model, stopped, running = sys.argv[3:]
    worker = SlowedWorker(operate_url, model, float(stopped), float(running))
    keep_active(sys.argv[1:], worker.slow, poll_seconds=0.0)
