"""Whether data still come: an incident while the newest batch is older than allowed, over when a newer one comes."""

from datetime import datetime, timedelta

from healing.incident import AttemptOutcome, Cause, Incident, Remedy, Status
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.finding import Finding
from tasks.ledger.immediate_remedy import end_lost_attempt
from tasks.ledger.records import BatchStatus


def watch_freshness(stores: Stores, now: datetime) -> Incident | None:
    """The incident of stale data as it stands after this run; None where nothing is stale.

    Each run that finds nothing newer is one attempt of waiting that failed, so that healing calls a person when its
    budget is used up. `now` is aware; days are those of the pipeline's calendar.
    """
    allowed = stores.pipeline.contract.stale_after_days
    if allowed is None:
        return None
    table = stores.pipeline.batch_table
    days = [
        record.day
        for record in stores.ledger.batches(stores.pipeline.name)
        if record.table == table and record.status is not BatchStatus.REJECTED
    ]
    yesterday = now.astimezone(stores.pipeline.zone).date() - timedelta(days=1)
    if days and (yesterday - max(days)).days < allowed:
        _end(stores, table)
        return None
    newest = f"that of {max(days)}" if days else "none"
    summary = f"{table}: expected a batch of the last {allowed} days until {yesterday}, found {newest}"
    finding = Finding(Cause.STALE_DATA, Remedy.WAIT, summary, {"newest": str(max(days)) if days else None}, "freshness")
    incident = stores.ledger.record_evidence(stores.evidence(finding, table), status=Status.DIAGNOSED)
    end_lost_attempt(stores.ledger, incident)
    attempt = stores.ledger.start_attempt(incident.id, Remedy.WAIT, stores.run_id)
    return stores.ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, "nothing newer came")


def _end(stores: Stores, table: str) -> None:
    for incident in stores.ledger.unfinished_incidents(stores.pipeline.name):
        if incident.cause is Cause.STALE_DATA and incident.subject == table:
            end_lost_attempt(stores.ledger, incident)
            stores.ledger.set_status(incident.id, Status.RECOVERED, "a newer batch is in")
