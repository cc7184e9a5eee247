"""Preconditions of training: open incidents about the data, and rows in quarantine."""

from datetime import UTC, date, datetime

import pytest

from healing.errors import TrainingRefused
from healing.incident import Cause, Incident, Status
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.training.preconditions import refuse_on_open_incidents, refuse_quarantined

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 10)
NOW = datetime(2013, 2, 1, tzinfo=UTC)


def incident(cause):
    return Incident("i1", "toy", cause, "rows/2013-01-30", Status.OPEN, datetime(2013, 1, 30, tzinfo=UTC))


def test_an_incident_about_the_data_stops_training_and_one_about_quality_does_not():
    with pytest.raises(TrainingRefused, match="null_spike"):
        refuse_on_open_incidents([incident(Cause.NULL_SPIKE)])
    refuse_on_open_incidents([incident(Cause.QUALITY_DROP)])
    refuse_on_open_incidents([incident(Cause.NULL_SPIKE)], except_id="i1")


def batch(day, quarantined, table="rows"):
    return BatchRecord(
        pipeline="toy",
        batch_id=f"{table}/2013-01-{day:02}",
        table=table,
        day=date(2013, 1, day),
        source="only",
        received=100,
        accepted=100 - quarantined,
        quarantined=quarantined,
        duplicates=0,
        status=BatchStatus.QUARANTINED if quarantined else BatchStatus.ACCEPTED,
        recorded_at=NOW,
    )


def test_days_with_many_quarantined_rows_are_refused_and_the_batches_named():
    batches = [batch(day, 60 if day == 3 else 0) for day in range(1, 11)]
    with pytest.raises(TrainingRefused, match=r"rows in quarantine.*6\.0%: rows/2013-01-03 \(60 of 100\)"):
        refuse_quarantined(batches, FIRST, LAST, share_max=0.05)
    refuse_quarantined(batches, FIRST, LAST, share_max=0.06)


def test_quarantined_rows_are_counted_per_table_and_within_the_days_only():
    labels = [batch(day, 0) for day in range(1, 11)] + [batch(5, 30, "outcomes")]
    with pytest.raises(TrainingRefused, match="outcomes"):
        refuse_quarantined(labels, FIRST, LAST, share_max=0.1)
    refuse_quarantined([*labels, batch(20, 100)], FIRST, date(2013, 1, 4), share_max=0.0)
