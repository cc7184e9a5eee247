"""Which days are there to take in, and which of them are missing."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

from healing.errors import SourceUnavailable
from healing.incident import Cause, Incident, Status
from tasks.ingestion.source_failover import switch_source
from tasks.ingestion.sources import Days, SourceChain
from tasks.ingestion.stores import Stores
from tasks.ledger.immediate_remedy import end_lost_attempt
from tasks.ledger.records import BatchStatus


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
    """Those of `days` of which the ledger has no batch. What only the lake has is made up for before."""
    seen = stores.ledger.batch_states(stores.pipeline.name)
    return [day for day in days if (table, day) not in seen]


def settle_incidents(stores: Stores, chain: SourceChain) -> None:
    """End incidents that ingest left unfinished and that are over: the batch is on record, the source answers again.

    Of a batch that is on record as rejected a person has to hear; the run that died did not come so far.
    """
    recorded = {record.batch_id: record for record in stores.ledger.batches(stores.pipeline.name)}
    answering = {source.name for source in chain.up() if source.answered}
    for incident in stores.ledger.unfinished_incidents(stores.pipeline.name):
        record = recorded.get(incident.subject)
        if record is not None and record.status is BatchStatus.REJECTED:
            stores.call_person(incident, f"batch {record.batch_id} is in quarantine: {incident.summary}")
            _settle(stores, incident, Status.ESCALATED, "its batch is on record as rejected")
        elif record is not None:
            _settle(stores, incident, Status.RECOVERED, "its batch is on record")
        elif incident.cause is Cause.SOURCE_UNAVAILABLE and incident.subject in answering:
            _settle(stores, incident, Status.RECOVERED, "the source answers again")


def _settle(stores: Stores, incident: Incident, status: Status, note: str) -> None:
    end_lost_attempt(stores.ledger, incident)
    if incident.status is Status.OPEN:
        stores.ledger.set_status(incident.id, Status.DIAGNOSED)
    stores.ledger.set_status(incident.id, status, note)


def _served(stores: Stores, chain: SourceChain, remedies: ExitStack) -> Days | None:
    for source in chain.up():
        try:
            return source.days()
        except SourceUnavailable as exc:
            switch_source(stores, chain, source, exc, remedies)
    raise chain.exhausted()
