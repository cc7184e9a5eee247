from datetime import UTC, date, datetime

import pytest

from healing.incident import Cause, Remedy, Status
from tasks.config.contract_section import Contract
from tasks.ingestion.freshness import check_freshness
from tasks.ingestion.stores import Stores
from tasks.ledger.records import BatchRecord, BatchStatus
from tasks.ledger.store import Ledger
from tests.toy import toy_pipeline

NOW = datetime(2013, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def stores(tmp_path):
    pipeline = toy_pipeline().model_copy(update={"contract": Contract(stale_after_days=2)})
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        yield Stores(pipeline, tmp_path / "lake", tmp_path / "q", ledger, lambda *_: None, lambda *_: None)


def record_batch(stores: Stores, day: date, status: BatchStatus = BatchStatus.ACCEPTED) -> None:
    counts = {"received": 1, "accepted": 1, "quarantined": 0, "duplicates": 0}
    if status is BatchStatus.REJECTED:
        counts |= {"accepted": 0, "quarantined": 1}
    record = BatchRecord(
        pipeline="toy",
        batch_id=f"rows/{day}",
        table="rows",
        day=day,
        source="only",
        status=status,
        recorded_at=NOW,
        **counts,
    )
    stores.ledger.record_batches([record])


def test_a_feed_that_stops_is_an_incident_until_a_batch_comes(stores):
    record_batch(stores, date(2013, 3, 6))
    incident = check_freshness(stores, NOW)
    assert (incident.cause, incident.subject, incident.ended) == (Cause.STALE_DATA, "rows", False)
    assert "found that of 2013-03-06" in incident.summary
    record_batch(stores, date(2013, 3, 9))
    assert check_freshness(stores, NOW) is None
    [ended] = stores.ledger.incidents("toy")
    assert ended.status is Status.RECOVERED


def test_each_run_without_a_newer_batch_is_a_failed_attempt(stores):
    for _ in range(3):
        incident = check_freshness(stores, NOW)
    assert [attempt.remedy for attempt in incident.attempts] == [Remedy.WAIT] * 3


def test_a_rejected_batch_is_not_fresh(stores):
    record_batch(stores, date(2013, 3, 9), BatchStatus.REJECTED)
    assert check_freshness(stores, NOW) is not None


def test_yesterday_is_fresh_in_the_pipelines_time_zone(stores):
    record_batch(stores, date(2013, 3, 8))  # at 02:00 UTC on the 10th it is still the 9th in New York
    assert check_freshness(stores, datetime(2013, 3, 10, 2, tzinfo=UTC)) is None


def test_freshness_is_not_checked_without_the_setting(stores):
    quiet = stores.pipeline.model_copy(update={"contract": Contract()})
    object.__setattr__(stores, "pipeline", quiet)
    assert check_freshness(stores, NOW) is None
