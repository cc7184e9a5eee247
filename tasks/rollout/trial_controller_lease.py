"""The lease of a trial's controller: who observes the challenger, on whatever host, and when nobody does any more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from healing.errors import Conflict
from healing.release import Release
from releases.log import ReleaseLog
from releases.release_root import ReleaseRoot
from tasks.ledger.held_lease import HeldLease, leases_of
from tasks.ledger.lease_holder import has_ended
from tasks.ledger.leases import TTL_SECONDS, Lease, rollout_lease

_LOOK_SECONDS = 0.5
_WAIT_SECONDS_MAX = TTL_SECONDS + 2.0  # until the lease of a controller that was killed on another host has expired


@contextmanager
def controlling(ledger_dsn: str, pipeline: str) -> Iterator[HeldLease]:
    """Control the pipeline's rollout until the block ends. Conflict while another controller is alive.

    The lease of a controller that was killed is free at once on its own machine, and after TTL_SECONDS elsewhere.
    """
    name = rollout_lease(pipeline)
    with HeldLease(ledger_dsn, name) as lease:
        first = leases_of(ledger_dsn).current(name)
        deadline = time.monotonic() + _WAIT_SECONDS_MAX
        while not lease.acquire():
            current = leases_of(ledger_dsn).current(name)
            if _has_moved(first, current) or time.monotonic() >= deadline:
                raise Conflict(
                    f"another rollout of {pipeline} is running, controlled by {lease.holder}; wait until it ends"
                )
            time.sleep(_LOOK_SECONDS)
        yield lease


def stranded_trial(
    release_root: ReleaseRoot, ledger_dsn: str, pipeline: str, seconds_max: float = 0.0
) -> Release | None:
    """The current release if it has a challenger and no controller; None if a controller may be alive.

    A controller of another host counts as dead once its lease was seen unchanged for TTL_SECONDS: by calls of the same
    process, or by one call with a longer `seconds_max`. LedgerUnavailable if the ledger does not answer.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        current = ReleaseLog(release_root).current()
        if current is None or current.challenger is None:
            return None
        before = leases_of(ledger_dsn).current(rollout_lease(pipeline))
        if leases_of(ledger_dsn).is_abandoned(rollout_lease(pipeline)):
            return current
        if time.monotonic() >= deadline:
            return None
        time.sleep(_LOOK_SECONDS)
        if _has_moved(before, leases_of(ledger_dsn).current(rollout_lease(pipeline))):
            return None


def may_be_controlled(ledger_dsn: str, pipeline: str) -> bool:
    """Whether a controller may be alive, by one look that writes nothing."""
    held = leases_of(ledger_dsn).current(rollout_lease(pipeline))
    return held is not None and not has_ended(held.holder)


def _has_moved(before: Lease | None, after: Lease | None) -> bool:
    """Whether a living holder has renewed the lease between two looks."""
    return before is not None and after is not None and (before.token, before.counter) != (after.token, after.counter)
