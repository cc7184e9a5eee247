"""Which days are there to take in, and which of them are missing."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from healing.errors import SourceUnavailable
from healing.incident import Cause, Status
from tasks.commit import make_up_records
from tasks.features import pending_days
from tasks.incidents import end_lost_attempt
from tasks.ledger_records import BatchStatus
from tasks.sources import Days, SourceChain
from tasks.stores import Stores
from tasks.switching import switch_source

_ABOUT_A_BATCH = frozenset({Cause.SCHEMA_BREAK, Cause.NULL_SPIKE, Cause.BAD_ROWS, Cause.VOLUME_ANOMALY})


def days_to_look_at(
    stores: Stores, chain: SourceChain, since: date | None, until: date | None, remedies: ExitStack
) -> list[date]:
    """Every day in [since, until] that the source can serve now.

    Without `since` it begins with the source's first day (or the only day, where the source does not say), without
    `until` it ends with the last. SourceUnavailable when no source answers.
    """
    served = _served(stores, chain, remedies)
    yesterday = datetime.now(UTC).astimezone(stores.pipeline.zone).date() - timedelta(days=1)
    last = min(until or date.max, served.last if served else yesterday)
    first = max(since or date.min, served.first if served else since or last)
    return [first + timedelta(days=index) for index in range((last - first).days + 1)]


def missing_days(stores: Stores, table: str, days: Sequence[date]) -> list[date]:
    """Those of `days` that neither ledger nor lake have; what only the lake has is made up for in the ledger."""
    recorded = {record.day for record in stores.ledger.batches(stores.pipeline.name) if record.table == table}
    unrecorded = [day for day in days if day not in recorded]
    made_up = {record.day for record in make_up_records(stores, table, unrecorded)}
    return [day for day in unrecorded if day not in made_up]


def featureless_days(stores: Stores, days: Sequence[date]) -> list[date]:
    """Those of `days` whose batches are in and whose features are not."""
    batches = stores.ledger.batches(stores.pipeline.name)
    table = stores.pipeline.batch_table
    accepted = {record.day for record in batches if record.table == table and record.status is not BatchStatus.REJECTED}
    return pending_days(stores.pipeline, stores.lake_root, [day for day in days if day in accepted])


def settle_incidents(stores: Stores, chain: SourceChain) -> None:
    """End incidents that ingest left unfinished and that are over: the batch is on record, the source answers again."""
    recorded = {record.batch_id for record in stores.ledger.batches(stores.pipeline.name)}
    answering = {source.name for source in chain.up() if source.answered}
    for incident in stores.ledger.unfinished(stores.pipeline.name):
        batch_is_in = incident.cause in _ABOUT_A_BATCH and incident.subject in recorded
        source_is_back = incident.cause is Cause.SOURCE_UNAVAILABLE and incident.subject in answering
        if batch_is_in or source_is_back:
            end_lost_attempt(stores.ledger, incident)
            if incident.status is Status.OPEN:
                stores.ledger.set_status(incident.id, Status.DIAGNOSED)
            note = "its batch is on record" if batch_is_in else "the source answers again"
            stores.ledger.set_status(incident.id, Status.RECOVERED, note)


def _served(stores: Stores, chain: SourceChain, remedies: ExitStack) -> Days | None:
    for source in chain.up():
        try:
            return source.days()
        except SourceUnavailable as exc:
            switch_source(stores, chain, source, exc, remedies)
    raise chain.exhausted()
