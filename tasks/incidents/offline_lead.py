"""Who heals a pipeline while the ledger, and with it the lease, cannot be reached.

On one host, the healer that holds a local lock leads. Between hosts, the host that led last goes on at once; any other
one waits for STANDBY_SECONDS, because the leader may be alive. Safety does not depend on it: a release is committed
by an exclusive create of the next number, and whoever loses that race decides again on the new release, in which the
broken model is not champion any more. So two healers cannot both roll back.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from healing.errors import Conflict, StoreUnavailable
from releases.files import write_atomically
from tasks.runtime.clock import boot_seconds
from tasks.runtime.file_locks import exclusive

log = structlog.get_logger(__name__)

STANDBY_SECONDS = 60.0  # a leader that lives has rolled back long before
_LOCK_SECONDS_MAX = 0.05


class LastLeader:
    """The host whose healer led last, as far as this host knows; kept in the home, so that it survives a restart."""

    def __init__(self, home: Path, pipeline: str) -> None:
        self._file = home / "healer" / f"{pipeline}.leader"

    def record(self, holder: str) -> None:
        """Keep the host of the lease's holder. A full disk only means that this host counts as a standby later."""
        host = host_of(holder)
        if host in ("", self._host()):
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, host.encode())
        except (OSError, StoreUnavailable) as exc:
            log.warning("last_leader_not_kept", cause=str(exc))

    def was_here(self) -> bool:
        """Whether a healer of this host led last."""
        return self._host() == socket.gethostname()

    def _host(self) -> str | None:
        try:
            return self._file.read_text(encoding="utf-8")
        except OSError:
            return None


class OfflineLead:
    """The local lock, from a successful `acquire` until the block ends."""

    def __init__(self, home: Path, pipeline: str, clock: Callable[[], float] = boot_seconds) -> None:
        self._lock = home / "healer" / f"{pipeline}.lock"
        self._led_here = LastLeader(home, pipeline).was_here()
        self._clock = clock
        self._began = clock()
        self._held = ExitStack()
        self._leads = False

    def acquire(self) -> bool:
        """Whether this process may act now; asked again and again during an outage."""
        waits = not self._led_here and self._clock() - self._began < STANDBY_SECONDS
        return not waits and self.lock()

    def lock(self) -> bool:
        """Take the local lock, whoever led last; False while another process of this host has it."""
        if self._leads:
            return True
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(exclusive(self._lock, seconds_max=_LOCK_SECONDS_MAX))
        except Conflict:
            return False
        self._leads = True
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.close()
        self._leads = False


def host_of(holder: str) -> str:
    """The host in the name of a lease's holder."""
    return holder.partition("/")[0]
