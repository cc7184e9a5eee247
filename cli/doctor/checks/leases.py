"""Leases that a process holds which has ended, and faults that drills left."""

from collections.abc import Iterator

import sqlalchemy as sa

from chaos import leftovers
from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from tasks.ledger import schema
from tasks.ledger.lease_holder import has_ended

NAME = "leases"


def find(examined: Examined) -> Iterator[Finding]:
    """The leases of the ledger first, then those of drills."""
    for name, holder in _stale(examined):
        fix = "the running healer takes it over; if it does not, see `autopilot status`"
        fix = fix if examined.up else "autopilot up, which takes the lease over at once"
        yield warning(NAME, name, "a lease whose holder runs", f"{holder}, which has ended", fix)
    now = examined.now().timestamp()
    for each in leftovers.find(examined.settings.home):
        if each.lease.holder.find() is None or each.lease.expires_at < now:
            yield error(NAME, each.title, "no fault of a drill that has ended", "still active", "autopilot drill clear")


def _stale(examined: Examined) -> list[tuple[str, str]]:
    with examined.ledger() as connection:
        if connection is None or not sa.inspect(connection).has_table(schema.leases.name):
            return []
        rows = connection.execute(schema.leases.select().where(schema.leases.c.holder != "")).mappings()
        return [(row["name"], row["holder"]) for row in rows if has_ended(row["holder"])]
