"""Preconditions of training: data that no open incident doubts, with few rows in quarantine, and observed labels."""

from collections.abc import Sequence
from datetime import date

from healing.errors import TrainingRefused
from healing.incident import Cause, Incident
from tasks.config.pipeline import Pipeline
from tasks.config.settings import Settings
from tasks.ledger.records import BatchRecord
from tasks.ledger.store import Ledger
from tasks.training.leakage import refuse_predictions_as_labels
from tasks.training.plan import TrainingPlan

BATCHES_NAMED_MAX = 5  # of those with most rows in quarantine, in a message

# While one of these is open, the newest rows may be wrong, and a model would learn that.
BLOCKING_CAUSES = frozenset(
    {Cause.SCHEMA_BREAK, Cause.NULL_SPIKE, Cause.BAD_ROWS, Cause.VOLUME_ANOMALY, Cause.DUPLICATE_DATA}
)


def check_preconditions(settings: Settings, pipeline: Pipeline, plan: TrainingPlan, incident_id: str | None) -> None:
    """Raise TrainingRefused if the plan's data must not be learned from, or if the incident has already ended.

    `incident_id` is the incident that the training treats. A run that waited in a queue while its worker was dead may
    find that a later attempt has healed the incident.
    """
    addresses = settings.addresses()
    gateways = tuple(address for address in (addresses.gateway, addresses.operate) if address)
    refuse_predictions_as_labels(pipeline, gateways)
    with Ledger(settings.ledger_dsn) as ledger:
        if incident_id is not None and (incident := ledger.incident(incident_id)).ended:
            raise TrainingRefused(
                f"expected an open incident, found that incident {incident_id} is {incident.status}; retrain without "
                "incident_id if you want a new model anyway"
            )
        refuse_on_open_incidents(ledger.unfinished_incidents(plan.pipeline), except_id=incident_id)
        share_max = pipeline.retrain.quarantined_share_max
        refuse_quarantined(ledger.batches(plan.pipeline), plan.train_from, plan.until, share_max)


def refuse_on_open_incidents(unfinished: Sequence[Incident], except_id: str | None = None) -> None:
    """Raise TrainingRefused while an open incident says that the newest data may be wrong."""
    blocking = [i for i in unfinished if i.cause in BLOCKING_CAUSES and i.id != except_id]
    if blocking:
        named = ", ".join(f"{incident.cause} of {incident.subject} ({incident.id})" for incident in blocking)
        raise TrainingRefused(f"expected no open incident about the data, found {named}; resolve them first")


def refuse_quarantined(batches: Sequence[BatchRecord], since: date, until: date, share_max: float) -> None:
    """Raise TrainingRefused if more than `share_max` of a table's rows from `since` to `until` are in quarantine.

    Quarantined rows are never learned from, but what remains of a table that lost many rows is a biased sample.
    """
    for table in sorted({batch.table for batch in batches}):
        found = [batch for batch in batches if batch.table == table and since <= batch.day <= until]
        received, quarantined = sum(b.received for b in found), sum(b.quarantined for b in found)
        if quarantined > share_max * received:
            worst = sorted(found, key=lambda b: (-b.quarantined, b.day))[:BATCHES_NAMED_MAX]
            named = ", ".join(f"{b.batch_id} ({b.quarantined} of {b.received})" for b in worst if b.quarantined)
            raise TrainingRefused(
                f"expected at most {share_max:.1%} of the rows of {table} in quarantine from {since} to {until}, found "
                f"{quarantined / received:.1%}: {named}; release them (`autopilot quarantine`), let the source send "
                "them again, or raise retrain.quarantined_share_max"
            )
