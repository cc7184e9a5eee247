"""Stale data: an incident while the newest batch is older than the contract allows, until a newer one comes."""

from datetime import date, datetime, timedelta

from healing.incident import AttemptOutcome, Cause, Incident, Remedy, Status
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.findings import BatchFinding
from tasks.ledger.immediate_remedy import end_lost_attempt
from tasks.ledger.records import BatchStatus


def check_freshness(stores: Stores, now: datetime) -> Incident | None:
    """The incident about stale data after this run; None where nothing is stale.

    Each run without a newer batch is a failed attempt to wait, so that people are notified when the budget of attempts
    is used up. `now` has a time zone; days are those of the pipeline's calendar.
    """
    allowed = stores.pipeline.contract.stale_after_days
    if allowed is None:
        return None
    newest = _newest_day(stores)
    yesterday = now.astimezone(stores.pipeline.zone).date() - timedelta(days=1)
    if newest is not None and (yesterday - newest).days < allowed:
        _end_incident(stores)
        return None
    return _record_wait(stores, newest, f"the last {allowed} days until {yesterday}")


def _newest_day(stores: Stores) -> date | None:
    """The newest day of the batch table with an accepted row."""
    days = (
        record.day
        for record in stores.ledger.batches(stores.pipeline.name)
        if record.table == stores.pipeline.batch_table and record.status is not BatchStatus.REJECTED
    )
    return max(days, default=None)


def _record_wait(stores: Stores, newest: date | None, expected: str) -> Incident:
    table = stores.pipeline.batch_table
    found = "none" if newest is None else f"that of {newest}"
    summary = f"{table}: expected a batch of {expected}, found {found}"
    facts: dict[str, object] = {"newest": None if newest is None else str(newest)}
    finding = BatchFinding(Cause.STALE_DATA, Remedy.WAIT, summary, facts, "freshness")
    incident = stores.ledger.record_evidence(stores.evidence(finding, table), status=Status.DIAGNOSED)
    if incident.status is Status.ESCALATED:  # people know of it
        return incident
    end_lost_attempt(stores.ledger, incident)
    attempt = stores.ledger.start_attempt(incident.id, Remedy.WAIT, stores.run_id)
    return stores.ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, "no newer batch came")


def _end_incident(stores: Stores) -> None:
    for incident in stores.ledger.observed_incidents(stores.pipeline.name):
        if incident.cause is Cause.STALE_DATA and incident.subject == stores.pipeline.batch_table:
            end_lost_attempt(stores.ledger, incident)
            stores.ledger.set_status(incident.id, Status.RECOVERED, "a newer batch was accepted")
