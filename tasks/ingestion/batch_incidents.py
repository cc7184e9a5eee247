"""Incidents about batches and sources: opened while batches are ingested, and ended by the same or by a later run."""

from contextlib import ExitStack

from healing.incident import Cause, Incident, Status
from tasks.ingestion.sources import SourceChain
from tasks.ingestion.stores import Stores
from tasks.ingestion.validation.findings import BatchFinding
from tasks.ingestion.validation.validated_batch import ValidatedBatch
from tasks.ledger.immediate_remedy import end_lost_attempt, immediate_remedy
from tasks.ledger.records import BatchStatus


def open_incidents(stores: Stores, validated: ValidatedBatch, remedies: ExitStack) -> None:
    """Open an incident per finding; it ends when `remedies` ends. A rejected batch is escalated to a person."""
    for finding in validated.findings:
        batch_id = validated.batch.id
        if validated.rejected is None:
            open_incident(stores, finding, batch_id, remedies)
        else:
            escalate(stores, finding, batch_id, f"batch {batch_id} is in quarantine: {validated.rejected}", remedies)


def open_incident(stores: Stores, finding: BatchFinding, subject: str, remedies: ExitStack) -> None:
    """Open an incident that recovers when the block of `remedies` succeeds."""
    evidence = stores.evidence(finding, subject)
    remedies.enter_context(immediate_remedy(stores.ledger, evidence, finding.remedy, stores.run_id))


def escalate(stores: Stores, finding: BatchFinding, subject: str, reason: str, remedies: ExitStack) -> None:
    """Open an incident that is escalated when the block of `remedies` succeeds, and then notify people."""
    evidence = stores.evidence(finding, subject)
    attempt = immediate_remedy(stores.ledger, evidence, finding.remedy, stores.run_id, Status.ESCALATED)
    incident = remedies.enter_context(attempt)
    remedies.callback(stores.notify, incident, reason)


def settle_incidents(stores: Stores, chain: SourceChain) -> None:
    """End the unfinished incidents that are over: their batch is on record, or their source answers or is not needed.

    An incident whose batch is on record as rejected is escalated: the run that rejected it died before that. A source
    behind one that answers is not asked: if it is still away, the run that needs it opens another incident.
    """
    unfinished = stores.ledger.observed_incidents(stores.pipeline.name)
    recorded = stores.ledger.batches_by_id(stores.pipeline.name, [incident.subject for incident in unfinished])
    answering = {source.name for source in chain.available() if source.answered}
    for incident in unfinished:
        record = recorded.get(incident.subject)
        if record is not None and record.status is BatchStatus.REJECTED:
            stores.notify(incident, f"batch {record.batch_id} is in quarantine: {incident.summary}")
            _settle(stores, incident, Status.ESCALATED, "its batch is on record as rejected")
        elif record is not None:
            _settle(stores, incident, Status.RECOVERED, "its batch is on record")
        elif incident.cause is Cause.SOURCE_UNAVAILABLE and incident.subject in answering:
            _settle(stores, incident, Status.RECOVERED, "the source answers again")
        elif incident.cause is Cause.SOURCE_UNAVAILABLE and incident.subject in chain.not_needed():
            _settle(stores, incident, Status.RECOVERED, "a source before it answers again, so it was not asked")


def _settle(stores: Stores, incident: Incident, status: Status, note: str) -> None:
    end_lost_attempt(stores.ledger, incident)
    if incident.status is Status.OPEN:
        stores.ledger.set_status(incident.id, Status.DIAGNOSED)
    stores.ledger.set_status(incident.id, status, note)
