"""The router's side of the warm fork server: requests workers, and replaces the server when it ends or hangs."""

import asyncio
import contextlib
import socket
import subprocess
from pathlib import Path

import structlog

from gateway.workers.forkserver import WARM, become_subreaper
from gateway.workers.launch import ForkServerProcess, start_fork_server
from gateway.workers.order import LoadOrder
from healing.errors import Transient

_log = structlog.get_logger(__name__)
_STOP_SECONDS = 5.0
_REAP_PAUSE_SECONDS = 0.05


class ForkFailed(Transient):
    """The fork server did not take the request; the next start of a worker begins a new one."""


class WarmForks:
    """One fork server at a time, from `first` on. Use it from the main thread: its end is tied to the thread's."""

    def __init__(self, first: ForkServerProcess | None = None) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        if first is not None:
            become_subreaper()
            self._process, self._control = first
        self._warm = False
        self._reaping: set[asyncio.Task[None]] = set()

    @property
    def warm(self) -> bool:
        """Whether the fork server has imported everything, so that it forks within milliseconds."""
        if not self._warm and self._control is not None:
            with contextlib.suppress(BlockingIOError):
                self._warm = self._control.recv(len(WARM)) == WARM
        return self._warm

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start another fork server, which then imports the model libraries; returns at once."""
        become_subreaper()
        self._process, self._control = start_fork_server()
        self._warm = False

    def fork(self, model_dir: Path, order: LoadOrder) -> socket.socket:
        """Ask for a worker for one model; the socket returned is the way to it, and its end when it dies.

        The request waits in the fork server's queue while that is still importing.
        """
        if self._process is None or self._process.poll() is not None:
            self._discard()
            self.start()
            _log.info("forkserver_started", pid=self.pid)
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

    def replace(self, why: str) -> None:
        """End a fork server that does not fork, stopped ones too; the next start of a worker begins a new one."""
        if self._process is not None:
            _log.warning("forkserver_replaced", pid=self._process.pid, reason=why)
            self._process.kill()
            reaping = asyncio.create_task(_reap(self._process))
            self._reaping.add(reaping)
            reaping.add_done_callback(self._reaping.discard)
        self._discard()

    async def stop(self) -> None:
        """Hang up and wait until the fork server has ended."""
        for reaping in self._reaping:
            reaping.cancel()
        process = self._process
        self._discard()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def kill(self) -> None:
        """End the fork server at once; of no effect after `stop`."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self._discard()

    def _discard(self) -> None:
        if self._control is not None:
            self._control.close()
        self._control = self._process = None
        self._warm = False


async def _reap(process: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a killed process, without a thread that could wait for ever."""
    while process.poll() is None:  # noqa: ASYNC110  a killed process sets no event
        await asyncio.sleep(_REAP_PAUSE_SECONDS)
