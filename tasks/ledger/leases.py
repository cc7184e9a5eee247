"""Leases: at most one holder per name, across hosts, without comparing clocks.

A holder renews its lease by raising a counter. A contender that has seen the same (token, counter) for TTL_SECONDS, on
its own clock, takes the lease over with the next token; at once if the holder was a process of the same machine that
has ended. An attempt of an older token has lost its carrier.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from healing.errors import Conflict
from tasks.ledger import schema
from tasks.ledger.database import LedgerUnavailable, open_engine, snapshot, transaction
from tasks.ledger.lease_holder import has_ended
from tasks.runtime.clock import boot_seconds

TTL_SECONDS = 6.0  # a holder renews every second; five missed renewals are no scheduling delay


def healer_lease(pipeline: str) -> str:
    """The name of the lease of the pipeline's healer."""
    return f"healer/{pipeline}"


def rollout_lease(pipeline: str) -> str:
    """The name of the lease of the controller that observes the pipeline's trial."""
    return f"rollout/{pipeline}"


class LeaseLost(Conflict):
    """Another holder has taken the lease over; whatever this one was about to do, it must not do it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as a holder has it. `token` grows with every new holder."""

    name: str
    holder: str
    token: int
    counter: int


@dataclass(slots=True)
class Leases:
    """The leases of one ledger, as one process sees them. `clock` gives seconds on this process's own clock."""

    url: str
    clock: Callable[[], float] = boot_seconds
    ttl_seconds: float = TTL_SECONDS
    _seen: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    _engine: sa.Engine | None = None

    def acquire(self, name: str, holder: str) -> Lease | None:
        """Take the lease if it is free or its holder has been silent for too long; None while another holder lives.

        LedgerUnavailable if the ledger does not answer.
        """
        with self._answering() as connection:
            row = connection.execute(_row_of(name)).mappings().first()
            if row is None:
                connection.execute(schema.leases.insert().values(name=name, holder=holder, token=1, counter=0))
                return Lease(name, holder, 1, 0)
            if not self._is_free(row):
                return None
            taken = Lease(name, holder, row["token"] + 1, 0)
            _write(connection, taken)
            return taken

    def renew(self, lease: Lease) -> Lease:
        """The lease with the next counter; LeaseLost if another holder has it, LedgerUnavailable without the ledger."""
        with self._answering() as connection:
            row = connection.execute(_row_of(lease.name)).mappings().first()
            if row is None or row["token"] != lease.token or row["holder"] != lease.holder:
                found = "nobody" if row is None else f"{row['holder'] or 'nobody'} with token {row['token']}"
                raise LeaseLost(
                    f"expected lease {lease.name!r} of {lease.holder} with token {lease.token}, found {found}"
                )
            renewed = Lease(lease.name, lease.holder, lease.token, row["counter"] + 1)
            _write(connection, renewed)
            return renewed

    def release(self, lease: Lease) -> None:
        """Give the lease back, so that the next holder need not wait. Nothing happens if it was lost."""
        with transaction(self._opened()) as connection:
            row = connection.execute(_row_of(lease.name)).mappings().first()
            if row is not None and row["token"] == lease.token:
                _write(connection, Lease(lease.name, "", lease.token, row["counter"] + 1))

    def current(self, name: str) -> Lease | None:
        """The lease as it stands; None if nobody holds it."""
        with snapshot(self._opened()) as connection:
            row = connection.execute(_row_of(name)).mappings().first()
            if row is None or not row["holder"]:
                return None
            return Lease(row["name"], row["holder"], row["token"], row["counter"])

    def is_abandoned(self, name: str) -> bool:
        """Whether nobody holds the lease, or its holder has been silent for too long; asked again and again.

        Reads as a writer: while the ledger takes no writes, no holder can renew, and its silence means nothing.
        """
        with self._answering() as connection:
            row = connection.execute(_row_of(name)).mappings().first()
            return row is None or self._is_free(row)

    def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _opened(self) -> sa.Engine:
        if self._engine is None:
            self._engine = open_engine(self.url)
        return self._engine

    @contextmanager
    def _answering(self) -> Iterator[sa.Connection]:
        """A writing transaction. After an outage of the ledger, the silence of every holder is counted from anew."""
        try:
            with transaction(self._opened()) as connection:
                yield connection
        except LedgerUnavailable:
            self._seen.clear()
            raise

    def _is_free(self, row: sa.RowMapping) -> bool:
        holder: str = row["holder"]
        return not holder or has_ended(holder) or self._is_silent(row["name"], row["token"], row["counter"])

    def _is_silent(self, name: str, token: int, counter: int) -> bool:
        """Whether the holder has not renewed for `ttl_seconds`, from its first look at the counter."""
        now = self.clock()
        seen = self._seen.get(name)
        if seen is None or seen[:2] != (token, counter):
            self._seen[name] = (token, counter, now)
            return False
        return now - seen[2] >= self.ttl_seconds


def _row_of(name: str) -> sa.Select[tuple[object, ...]]:
    return schema.leases.select().where(schema.leases.c.name == name)


def _write(connection: sa.Connection, lease: Lease) -> None:
    connection.execute(
        schema.leases.update()
        .where(schema.leases.c.name == lease.name)
        .values(holder=lease.holder, token=lease.token, counter=lease.counter)
    )
