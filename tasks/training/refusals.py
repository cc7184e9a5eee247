"""When training would be wrong: on data in doubt, with too little of it left, or with too few labels."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from healing.errors import TrainingRefused
from healing.incident import Cause, Incident
from tasks.lake.columns import LABEL
from tasks.ledger.records import BatchRecord

if TYPE_CHECKING:
    import pandas as pd

    from tasks.training.training import TrainingPlan

POSITIVES_MIN = 50  # of each class: below, a log-loss is mostly chance
VALUES_MIN = 3  # of a quantity: with fewer it is a class
DAYS_NAMED = 5  # of those that are worst, in a message

# While one of these is open, the newest rows may be wrong, and a model would learn that.
BLOCKING_CAUSES = frozenset(
    {Cause.SCHEMA_BREAK, Cause.NULL_SPIKE, Cause.BAD_ROWS, Cause.VOLUME_ANOMALY, Cause.DUPLICATE_DATA}
)


def refuse_on_open_incidents(unfinished: Sequence[Incident], except_id: str | None = None) -> None:
    """Raise TrainingRefused while an incident says that the newest data may be wrong."""
    blocking = [i for i in unfinished if i.cause in BLOCKING_CAUSES and i.id != except_id]
    if blocking:
        named = ", ".join(f"{incident.cause} of {incident.subject} ({incident.id})" for incident in blocking)
        raise TrainingRefused(f"expected data that nobody doubts, found open incidents: {named}; heal them first")


def refuse_quarantined(batches: Sequence[BatchRecord], since: date, until: date, share_max: float) -> None:
    """Raise TrainingRefused when too many rows of some table are in quarantine on the days of a plan.

    Rows in quarantine are never learned from; but what is left of a table that lost many is no fair sample of it.
    """
    for table in sorted({batch.table for batch in batches}):
        found = [batch for batch in batches if batch.table == table and since <= batch.day <= until]
        received, quarantined = sum(b.received for b in found), sum(b.quarantined for b in found)
        if quarantined > share_max * received:
            worst = sorted(found, key=lambda b: (-b.quarantined, b.day))[:DAYS_NAMED]
            named = ", ".join(f"{b.batch_id} ({b.quarantined} of {b.received})" for b in worst if b.quarantined)
            raise TrainingRefused(
                f"expected at most {share_max:.1%} of the rows of {table} in quarantine from {since} to {until}, found "
                f"{quarantined / received:.1%}: {named}; readmit them (`autopilot quarantine`), let the source send "
                "them again, or raise retrain.quarantined_share_max"
            )


def refuse_too_few(plan: "TrainingPlan", learned: "pd.DataFrame", held_out: "pd.DataFrame") -> None:
    """Raise TrainingRefused with too few labelled rows to learn from, of either class, or none to compare on."""
    if plan.output == "value":
        _refuse_too_few_values(plan, learned)
    else:
        _refuse_too_few_of_a_class(plan, learned)
    if held_out.empty:
        raise TrainingRefused(
            f"expected labelled rows after {plan.train_until} up to {plan.until}, found none; wait for their labels"
        )


def _refuse_too_few_values(plan: "TrainingPlan", learned: "pd.DataFrame") -> None:
    if len(learned) < plan.rows_min or learned[LABEL].nunique() < VALUES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows in {plan.train_from}…{plan.train_until} with {VALUES_MIN} "
            f"different values, found {len(learned)} with {learned[LABEL].nunique()}; ingest more days or lower "
            "retrain.rows_min"
        )


def _refuse_too_few_of_a_class(plan: "TrainingPlan", learned: "pd.DataFrame") -> None:
    positives = int(learned[LABEL].sum())
    negatives = len(learned) - positives
    if len(learned) < plan.rows_min or min(positives, negatives) < POSITIVES_MIN:
        raise TrainingRefused(
            f"expected {plan.rows_min} labelled rows in {plan.train_from}…{plan.train_until} with {POSITIVES_MIN} of "
            f"each class, found {positives} positive and {negatives} negative; ingest more days or lower "
            "retrain.rows_min"
        )
