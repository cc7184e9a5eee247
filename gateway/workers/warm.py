"""The router's hold on the warm fork server: ask it for workers, and replace it when it is gone."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import structlog

from gateway.workers.forkserver import become_subreaper
from gateway.workers.order import LoadOrder
from healing.errors import Transient

_log = structlog.get_logger(__name__)
_STOP_SECONDS = 5.0
# One thread a worker: more of them fight for the cores (one-row predictions took 15-185 ms instead of 3.4).
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


class ForkFailed(Transient):
    """The fork server did not take the request; the next start of a worker begins a new one."""


class WarmForks:
    """One fork server at a time. Start and use it from the main thread: its end is tied to the thread's."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the fork server, which then imports the model libraries for some seconds; returns at once."""
        become_subreaper()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway.workers.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD,
            )
        self._control = ours
        _log.info("forkserver_started", pid=self._process.pid)

    def fork(self, model_dir: Path, order: LoadOrder) -> socket.socket:
        """Ask for a worker for one model; the socket returned is the way to it, and its end when it dies.

        The request waits in the fork server's queue while that is still importing.
        """
        if self._process is None or self._process.poll() is not None:
            self._discard()
            self.start()
        assert self._control is not None
        request = order.to_bytes(model_dir)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                socket.send_fds(self._control, [request], [theirs.fileno()])
            except OSError as exc:
                ours.close()
                raise ForkFailed(f"the fork server does not take requests: {exc}; it is replaced") from exc
        return ours

    async def stop(self) -> None:
        """Hang up and wait until the fork server has ended."""
        process = self._process
        self._discard()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _discard(self) -> None:
        if self._control is not None:
            self._control.close()
        self._control = self._process = None
