"""Which days a source can serve, and which of them are missing in the lake."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from healing.errors import SourceUnavailable
from tasks.ingestion.source_failover import switch_source
from tasks.ingestion.sources import ServedDays, SourceChain
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.preload import loaded_while_waiting


def days_to_ingest(
    stores: Stores, chain: SourceChain, since: date | None, until: date | None, remedies: ExitStack
) -> list[date]:
    """Every day in [since, until] that the source can serve now.

    Without `since` it begins with the source's first day (with the last, if the source does not report its days);
    without `until` it ends with the source's last. SourceUnavailable when no source answers.
    """
    served = _served_days(stores, chain, remedies)
    yesterday = datetime.now(UTC).astimezone(stores.pipeline.zone).date() - timedelta(days=1)
    last = min(until or date.max, served.last if served else yesterday)
    first = max(since or date.min, served.first if served else since or last)
    return [first + timedelta(days=index) for index in range((last - first).days + 1)]


def missing_days(stores: Stores, table: str, days: Sequence[date]) -> list[date]:
    """Those of `days` of which the ledger has no batch. `repair_ledger` comes first, for what only the lake has."""
    recorded = stores.ledger.batch_states(stores.pipeline.name)
    return [day for day in days if (table, day) not in recorded]


def _served_days(stores: Stores, chain: SourceChain, remedies: ExitStack) -> ServedDays | None:
    for source in chain.available():
        try:
            with loaded_while_waiting():
                return source.days()
        except SourceUnavailable as exc:
            switch_source(stores, chain, source, exc, remedies)
    raise chain.exhausted()
