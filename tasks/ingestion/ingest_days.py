"""Which days a source can serve, and which of them are missing in the lake, or have more rows now."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import structlog

from healing.errors import SourceUnavailable
from tasks.config.pipeline import Pipeline
from tasks.ingestion.source_failover import switch_source
from tasks.ingestion.sources import ServedDays, SourceChain, batch_id
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.preload import loaded_while_waiting
from tasks.ledger.batches import BatchState

log = structlog.get_logger(__name__)

CHUNK_DAYS = 31  # of a source that does not say how many rows it has
_CHUNK_DAYS_MAX = 5_000  # every day is an entry in the commit
_VALUE_BYTES = 500  # per value: the text, its type, the checks, and the copies between Arrow and pandas


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


def days_in_memory(pipeline: Pipeline, rows_per_day: float | None, memory_bytes_max: int) -> int:
    """How many days are ingested together: a chunk costs about as much for a thousand rows as for one."""
    if rows_per_day is None:
        return CHUNK_DAYS
    columns = max(len(table.columns) for table in pipeline.tables.values())
    rows = memory_bytes_max / (columns * _VALUE_BYTES)
    return max(1, min(_CHUNK_DAYS_MAX, int(rows / max(rows_per_day, 1.0))))


def missing_days(stores: Stores, table: str, days: Sequence[date]) -> list[date]:
    """Those of `days` of which the ledger has no batch. `repair_ledger` comes first, for what only the lake has."""
    recorded = _states(stores, days)
    return [day for day in days if (table, day) not in recorded]


def grown_days(stores: Stores, chain: SourceChain, table: str, days: Sequence[date]) -> list[date]:
    """Those of `days` of which the source has more rows now than when they were ingested.

    Only for sources that know their rows per day, such as one file with many days. Fewer rows are no reason: the file
    may have been cut to its newest part.
    """
    try:
        counts = next((source.row_counts(table, stores.pipeline.tables[table]) for source in chain.available()), None)
    except SourceUnavailable:  # the days that are missing are asked for, which reports the failure
        return []
    if counts is None:
        return []
    recorded = _states(stores, days)
    states = {day: recorded[(table, day)] for day in days if (table, day) in recorded}
    grown = {day: (state.received, counts[day]) for day, state in states.items() if counts.get(day, 0) > state.received}
    for day, (before, now) in grown.items():
        log.info("batch_has_more_rows", batch=batch_id(table, day), rows_before=before, rows=now)
    return list(grown)


def _states(stores: Stores, days: Sequence[date]) -> Mapping[tuple[str, date], BatchState]:
    return stores.ledger.batch_states(stores.pipeline.name, since=min(days), until=max(days))


def _served_days(stores: Stores, chain: SourceChain, remedies: ExitStack) -> ServedDays | None:
    for source in chain.available():
        try:
            with loaded_while_waiting():
                return source.days()
        except SourceUnavailable as exc:
            switch_source(stores, chain, source, exc, remedies)
    raise chain.exhausted()
