"""Leadership: of all healers of a pipeline, also on other hosts, one acts."""

import threading
from types import TracebackType
from typing import Self

import structlog

from healing.errors import Transient
from tasks.ledger.leases import Lease, LeaseLost, Leases, healer_lease

log = structlog.get_logger(__name__)

RENEW_SECONDS = 1.0


class Leadership:
    """The lease of a pipeline's healer, renewed by a thread from `acquire` until the block ends.

    A healer that loses its lease finishes its step at most: the ledger refuses an attempt with an older token.
    """

    def __init__(self, ledger_dsn: str, pipeline: str, holder: str) -> None:
        self._leases = _leases(ledger_dsn)
        self._name = healer_lease(pipeline)
        self._holder = holder
        self._lease: Lease | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lease; False while another healer leads. StoreUnavailable if the ledger does not answer."""
        self._lease = self._leases.acquire(self._name, self._holder)
        if self._lease is None:
            return False
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return True

    def holds(self) -> bool:
        """Whether the lease was not lost."""
        return self._lease is not None

    @property
    def token(self) -> int:
        """The token of the lease; only after `acquire` returned True."""
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
        except Transient as exc:  # the ledger is away; the next healer waits for the lease to expire
            log.warning("lease_not_released", cause=str(exc))

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            assert self._lease is not None
            try:
                self._lease = self._leases.renew(self._lease)
            except LeaseLost as exc:
                log.warning("lease_lost", cause=str(exc))
                self._lease = None
                return
            except Transient as exc:
                log.warning("lease_not_renewed", cause=str(exc))


_opened: dict[str, Leases] = {}


def _leases(ledger_dsn: str) -> Leases:
    """One view of the leases per process: a contender has to remember what it saw at its last look."""
    return _opened.setdefault(ledger_dsn, Leases(ledger_dsn))
