"""A lease that a process holds for a while: a thread renews it until the block ends."""

import threading
from types import TracebackType
from typing import Self

import structlog

from healing.errors import Transient
from tasks.ledger.database import LedgerUnavailable
from tasks.ledger.lease_holder import this_process
from tasks.ledger.leases import Lease, LeaseLost, Leases

log = structlog.get_logger(__name__)

RENEW_SECONDS = 1.0


class HeldLease:
    """One lease, renewed by a thread from a successful `acquire` until the block ends."""

    def __init__(self, ledger_dsn: str, name: str) -> None:
        self._leases = leases_of(ledger_dsn)
        self._name = name
        self._lease: Lease | None = None
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure = ""
        self.holder = ""  # whoever has the lease, after `acquire`

    def acquire(self) -> bool:
        """Take the lease; False while another holder has it. LedgerUnavailable if the ledger does not answer."""
        self._lease = self._leases.acquire(self._name, this_process())
        if self._lease is None:
            other = self._leases.current(self._name)
            self.holder = "" if other is None else other.holder
            return False
        self.holder = self._lease.holder
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        self._thread.start()
        return True

    def holds(self) -> bool:
        """Whether the lease was not lost, as far as the last renewal showed."""
        return self._lease is not None

    def renew(self) -> None:
        """Renew now. LedgerUnavailable if the ledger does not answer; nothing happens once the lease is lost."""
        with self._changing:
            if self._lease is None:
                return
            try:
                self._lease = self._leases.renew(self._lease)
                self._failure = ""
            except LeaseLost as exc:
                log.warning("lease_lost", cause=str(exc))
                self._lease = None
            except Transient as exc:
                self._failure = str(exc)
                raise

    def check_renewed(self) -> None:
        """LeaseLost if another holder has the lease, LedgerUnavailable if the last renewal failed."""
        if self._lease is None:
            raise LeaseLost(f"expected to hold lease {self._name!r}, found that another process has taken it over")
        if self._failure:
            raise LedgerUnavailable(self._failure)

    @property
    def token(self) -> int:
        """The token of the lease; only while it is held."""
        assert self._lease is not None
        return self._lease.token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._lease is None:
            return
        try:
            self._leases.release(self._lease)
        except Transient as exc:  # the ledger is away; the next holder waits for the lease to expire
            log.warning("lease_not_released", cause=str(exc))

    def _renew_until_stopped(self) -> None:
        while self._lease is not None and not self._stop.wait(RENEW_SECONDS):
            try:
                self.renew()
            except Transient as exc:
                log.warning("lease_not_renewed", name=self._name, cause=str(exc))


_opened: dict[str, Leases] = {}


def leases_of(ledger_dsn: str) -> Leases:
    """One view of the leases per process: a contender has to remember what it read last."""
    return _opened.setdefault(ledger_dsn, Leases(ledger_dsn))
