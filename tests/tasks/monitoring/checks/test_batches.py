"""Batches of a window: how many rows were kept out of the lake."""

from datetime import UTC, date, datetime

from healing.verdict import Outcome
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.monitoring.checks.batches import ReceivedRows, judge_batches, received_rows
from tasks.monitoring.windows import DayRange


def test_a_table_with_too_many_rows_kept_out_fails():
    well = ReceivedRows("flights", batches=7, rejected=0, rows=7000, kept_out=10)
    assert judge_batches([well], 0.05).passed
    rejected = ReceivedRows("outcomes", batches=7, rejected=1, rows=7000, kept_out=1000)
    judged = judge_batches([well, rejected], 0.05)
    assert judged.failed
    assert judged.reason == "14.3% of 7000 rows of outcomes kept out, 1 of 7 batches rejected"


def test_a_table_without_batches_is_inconclusive():
    silent = ReceivedRows("outcomes", 0, 0, 0, 0)
    well = ReceivedRows("flights", 7, 0, 7000, 0)
    assert judge_batches([well, silent], 0.05).outcome is Outcome.INCONCLUSIVE
    assert judge_batches([], 0.05).outcome is Outcome.INCONCLUSIVE


def record(table, day, *, quarantined=0, status=BatchStatus.ACCEPTED):
    return BatchRecord(
        pipeline="toy",
        batch_id=f"{table}/{day}",
        table=table,
        day=day,
        source="archive",
        received=100,
        accepted=100 - quarantined,
        quarantined=quarantined,
        duplicates=0,
        status=status,
        recorded_at=datetime(2013, 1, 9, tzinfo=UTC),
    )


def test_only_batches_of_the_window_count_and_tables_without_one_are_known():
    records = [
        record("flights", date(2013, 1, 1), quarantined=100, status=BatchStatus.REJECTED),
        record("flights", date(2013, 1, 2), quarantined=20),
        record("weather", date(2013, 1, 1)),
    ]
    found = received_rows(records, DayRange(date(2013, 1, 2), date(2013, 1, 8)))
    assert found == [ReceivedRows("flights", 1, 0, 100, 20), ReceivedRows("weather", 0, 0, 0, 0)]
