"""The ledger: one incident per cause and subject, rows conserved, and every change on the timeline."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from healing.errors import ConfigError, Conflict, ContractBroken, IllegalTransition, StoreUnavailable, UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.verdict import Outcome, Verdict
from tasks.ledger.leases import Leases, healer_lease
from tasks.ledger.records import BatchRecord, BatchStatus, CheckRecord, FeatureRecord
from tasks.ledger.store import Ledger

T0 = datetime(2013, 3, 1, 12, tzinfo=UTC)
CORRUPT = Evidence(
    pipeline="flights",
    cause=Cause.MODEL_CORRUPT,
    subject="abc",
    observer="gateway",
    observed_at=T0,
    summary="digest of model.skops differs",
    facts={"file": "model.skops"},
)


@pytest.fixture
def url(database):
    """Every test runs on SQLite and on PostgreSQL."""
    return database


@pytest.fixture
def ledger(url):
    with Ledger(url) as opened:
        yield opened


def healing(ledger):
    """An incident with one running attempt."""
    incident = ledger.record_evidence(CORRUPT, status=Status.DIAGNOSED)
    attempt = ledger.start_attempt(incident.id, Remedy.ROLLBACK)
    return incident.id, attempt.number


def test_evidence_of_one_cause_and_subject_joins_one_incident(ledger):
    first = ledger.record_evidence(CORRUPT)
    second = ledger.record_evidence(replace(CORRUPT, observer="event", facts={}))
    assert first.id == second.id
    assert [each["observer"] for each in second.evidence] == ["gateway", "event"]
    assert first.status is Status.OPEN
    assert first.detected_at.tzinfo is not None


def test_another_subject_opens_another_incident(ledger):
    assert ledger.record_evidence(CORRUPT).id != ledger.record_evidence(replace(CORRUPT, subject="def")).id
    assert len(ledger.unfinished_incidents("flights")) == 2
    assert ledger.unfinished_incidents("other") == []


def test_the_same_observation_is_stored_once_and_does_not_reopen_an_incident(ledger):
    incident = ledger.record_evidence(CORRUPT)
    assert len(ledger.record_evidence(CORRUPT).evidence) == 1
    ledger.set_status(incident.id, Status.DISMISSED, "not confirmed")
    assert ledger.record_evidence(CORRUPT).status is Status.DISMISSED
    assert ledger.record_evidence(replace(CORRUPT, observer="late event")).id == incident.id
    again = ledger.record_evidence(replace(CORRUPT, observed_at=datetime.now(UTC)))
    assert again.id != incident.id
    assert again.status is Status.OPEN


def test_concurrent_evidence_opens_one_incident(url):
    barrier = threading.Barrier(8)
    ids = []

    def record(number):
        with Ledger(url) as own:
            barrier.wait()
            ids.append(own.record_evidence(replace(CORRUPT, observer=f"thread-{number}")).id)

    threads = [threading.Thread(target=record, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


def test_a_recovery_from_diagnosis_to_end_keeps_its_times(ledger):
    incident_id, number = healing(ledger)
    ledger.mark_mitigated(incident_id, "fallback answers")
    mitigated_at = ledger.incident(incident_id).mitigated_at
    ledger.finish_attempt(incident_id, number, AttemptOutcome.SUCCEEDED, "generation 4")
    ended = ledger.set_status(incident_id, Status.RECOVERED, "verified")
    assert ended.mitigated_at == mitigated_at
    assert ended.detected_at <= ended.mitigated_at <= ended.ended_at
    assert ended.attempts[0].outcome is AttemptOutcome.SUCCEEDED
    assert ended.attempts[0].ended_at is not None
    assert ledger.unfinished_incidents("flights") == []
    assert ledger.incidents("flights") == [ended]


def test_budgets_see_the_incidents_of_a_cause_however_many_of_others_came_later(ledger):
    """A backfill of bad days opens one incident per day, and must not make the healer forget what it has tried."""
    first, number = healing(ledger)
    ledger.finish_attempt(first, number, AttemptOutcome.FAILED, "no effect")
    ledger.set_status(first, Status.ESCALATED, "gave up")
    now = datetime.now(UTC)
    waiting = ledger.record_evidence(replace(CORRUPT, cause=Cause.GATEWAY_DOWN, subject="gateway", observed_at=now))
    for day in range(120):
        bad = replace(CORRUPT, cause=Cause.BAD_ROWS, subject=f"flights/{day}", observed_at=now)
        ledger.set_status(ledger.record_evidence(bad).id, Status.DISMISSED, "")
    other = ledger.record_evidence(replace(CORRUPT, subject="def", observed_at=now))
    found = {each.id: each for each in ledger.related_incidents(other, now - timedelta(hours=1))}
    assert set(found) == {first, waiting.id}
    assert [attempt.remedy for attempt in found[first].attempts] == [Remedy.ROLLBACK]
    assert [each.id for each in ledger.incidents("flights", causes=[Cause.MODEL_CORRUPT])] == [other.id, first]


def test_incidents_are_loaded_in_a_few_queries_with_their_own_evidence_and_attempts(ledger):
    """Not in three per incident: the healer reads them with every step."""
    for day in range(30):
        evidence = replace(CORRUPT, subject=str(day), summary=f"day {day}")
        incident = ledger.record_evidence(evidence, status=Status.DIAGNOSED)
        attempt = ledger.start_attempt(incident.id, Remedy.ROLLBACK)
        ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED, f"attempt of day {day}")
    queries = []
    sa.event.listen(ledger._engine, "before_cursor_execute", lambda *arguments: queries.append(arguments[2]))
    loaded = ledger.incidents("flights")
    assert len(queries) < 10
    assert {each.subject for each in loaded} == {str(day) for day in range(30)}
    for each in loaded:
        assert [seen["summary"] for seen in each.evidence] == [f"day {each.subject}"]
        assert [attempt.note for attempt in each.attempts] == [f"attempt of day {each.subject}"]


def test_a_second_attempt_waits_for_the_end_of_the_first(ledger):
    incident_id, number = healing(ledger)
    with pytest.raises(Conflict, match="being healed by attempt 1"):
        ledger.start_attempt(incident_id, Remedy.ROLLBACK)
    ledger.finish_attempt(incident_id, number, AttemptOutcome.FAILED)
    assert ledger.start_attempt(incident_id, Remedy.RETRAIN).number == 2


def test_only_one_of_concurrent_processes_starts_an_attempt(url):
    with Ledger(url) as ledger:
        incident_id = ledger.record_evidence(CORRUPT, status=Status.DIAGNOSED).id
    barrier = threading.Barrier(6)
    outcomes = []

    def claim():
        with Ledger(url) as own:
            barrier.wait()
            try:
                outcomes.append(own.start_attempt(incident_id, Remedy.ROLLBACK).number)
            except Conflict:
                outcomes.append(None)

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [1, None, None, None, None, None]


def test_a_run_is_attached_only_to_the_running_attempt(ledger):
    incident_id, number = healing(ledger)
    ledger.attach_run(incident_id, number, "run-1")
    assert ledger.incident(incident_id).running_attempt.flow_run_id == "run-1"
    ledger.finish_attempt(incident_id, number, AttemptOutcome.FAILED)
    with pytest.raises(Conflict, match="found none"):
        ledger.attach_run(incident_id, number, "run-2")
    with pytest.raises(Conflict):
        ledger.finish_attempt(incident_id, number, AttemptOutcome.SUCCEEDED)


@pytest.mark.parametrize("change", ["undiagnosed remedy", "early recovery", "end while running", "after the end"])
def test_a_forbidden_status_change_is_refused(ledger, change):
    incident_id = ledger.record_evidence(CORRUPT).id
    if change == "undiagnosed remedy":
        with pytest.raises(IllegalTransition):
            ledger.start_attempt(incident_id, Remedy.ROLLBACK)
        return
    if change == "early recovery":
        with pytest.raises(IllegalTransition):
            ledger.set_status(incident_id, Status.RECOVERED)
        return
    ledger.set_status(incident_id, Status.DIAGNOSED)
    if change == "end while running":
        ledger.start_attempt(incident_id, Remedy.ROLLBACK)
        with pytest.raises(IllegalTransition, match="finish it first"):
            ledger.set_status(incident_id, Status.ESCALATED)
        return
    ledger.set_status(incident_id, Status.DISMISSED)
    with pytest.raises(IllegalTransition, match="it has ended"):
        ledger.set_status(incident_id, Status.HEALING)


def test_an_escalated_incident_takes_further_evidence_until_it_is_over(ledger):
    incident = ledger.record_evidence(CORRUPT)
    ledger.escalate(incident.id, "no remedy is left")
    later = replace(CORRUPT, observed_at=T0 + timedelta(days=3650))
    joined = ledger.record_evidence(later)
    assert (joined.id, joined.status, len(joined.evidence)) == (incident.id, Status.ESCALATED, 2)
    assert [each.id for each in ledger.observed_incidents("flights")] == [incident.id]
    assert ledger.unfinished_incidents("flights") == []
    ledger.set_status(incident.id, Status.RECOVERED, "a person healed it")
    assert ledger.observed_incidents("flights") == []
    again = ledger.record_evidence(replace(CORRUPT, observed_at=T0 + timedelta(days=7300)))
    assert again.id != incident.id


def test_an_attempt_of_a_replaced_healer_is_refused(ledger, url):
    incident = ledger.record_evidence(CORRUPT, status=Status.DIAGNOSED)
    leases = Leases(url)
    old = leases.acquire(healer_lease("flights"), "old")
    leases.release(old)
    new = leases.acquire(healer_lease("flights"), "new")
    leases.close()
    with pytest.raises(Conflict, match=f"replaced by one with token {new.token}"):
        ledger.start_attempt(incident.id, Remedy.ROLLBACK, lease_token=old.token)
    assert ledger.start_attempt(incident.id, Remedy.ROLLBACK, lease_token=new.token).lease_token == new.token


def test_success_and_the_end_of_the_incident_are_one_transaction(ledger):
    incident_id, number = healing(ledger)
    ended = ledger.finish_and_close(incident_id, number, Status.RECOVERED, "the champion serves")
    assert (ended.status, ended.attempts[0].outcome) == (Status.RECOVERED, AttemptOutcome.SUCCEEDED)
    assert ended.mitigated_at == ended.ended_at
    with pytest.raises(Conflict):
        ledger.finish_and_close(incident_id, number, Status.RECOVERED)


def batch(**changes):
    fields = {
        "pipeline": "flights",
        "batch_id": "flights/2013-03-01",
        "table": "flights",
        "day": date(2013, 3, 1),
        "source": "primary",
        "received": 10,
        "accepted": 7,
        "quarantined": 2,
        "duplicates": 1,
        "status": BatchStatus.QUARANTINED,
        "recorded_at": T0,
        "lake_version": 4,
        "repairs": ("rename dest_airport -> dest",),
    }
    return BatchRecord(**{**fields, **changes})


def test_a_batch_reads_back_as_recorded_and_a_repeat_replaces_it(ledger):
    ledger.record_batches([batch()])
    assert ledger.batch("flights", "flights/2013-03-01") == batch()
    ledger.record_batches([batch(accepted=9, quarantined=0)])
    assert ledger.batches("flights") == [batch(accepted=9, quarantined=0)]
    assert ledger.batch("flights", "flights/2013-03-02") is None


def test_a_batch_that_loses_rows_is_refused():
    with pytest.raises(ContractBroken, match="10 = 7 \\+ 1 \\+ 1"):
        batch(quarantined=1)


def check(name, outcome, at=T0):
    return CheckRecord(
        pipeline="flights",
        cause=Cause.DATA_DRIFT,
        verdict=Verdict(name, outcome, "p-value of the KS test", 500, 0.001, 0.05),
        window_from=at - timedelta(days=7),
        window_until=at,
        recorded_at=at,
    )


def test_the_latest_check_of_each_name_counts(ledger):
    later = check("drift:dep_delay", Outcome.PASS, T0 + timedelta(days=1))
    ledger.record_check(check("drift:dep_delay", Outcome.FAIL))
    ledger.record_check(check("drift:temp", Outcome.FAIL))
    ledger.record_check(later)
    assert ledger.latest_checks("flights") == [later, check("drift:temp", Outcome.FAIL)]
    assert ledger.check_history("flights", "drift:dep_delay") == [later, check("drift:dep_delay", Outcome.FAIL)]


def test_the_timeline_has_every_change_in_order(ledger):
    incident_id, number = healing(ledger)
    ledger.attach_run(incident_id, number, "run-1")
    ledger.finish_attempt(incident_id, number, AttemptOutcome.SUCCEEDED)
    ledger.mark_mitigated(incident_id)
    ledger.set_status(incident_id, Status.RECOVERED)
    ledger.record_batches([batch()])
    ledger.record_entry("flights", "model.published", "abc", {"version": "1.0.0"})
    entries = ledger.timeline("flights")
    assert [entry.kind for entry in entries] == [
        "incident.opened",
        "attempt.started",
        "attempt.dispatched",
        "attempt.finished",
        "incident.mitigated",
        "incident.recovered",
        "batch.recorded",
        "model.published",
    ]
    assert [entry.at_monotonic_ns for entry in entries] == sorted(entry.at_monotonic_ns for entry in entries)
    assert ledger.timeline("flights", after_id=entries[-2].id) == entries[-1:]
    assert ledger.timeline("other") == []


def test_a_refused_change_leaves_nothing_on_the_timeline(ledger):
    incident_id, _ = healing(ledger)
    before = ledger.timeline()
    with pytest.raises(Conflict):
        ledger.start_attempt(incident_id, Remedy.ROLLBACK)
    assert ledger.timeline() == before


def test_an_unusable_database_raises_an_error_that_names_the_problem(tmp_path, ledger):
    with pytest.raises(UsageError, match="no incident 'x'"):
        ledger.incident("x")
    with pytest.raises(ConfigError, match="SQLAlchemy URL"):
        Ledger("nonsense")
    with pytest.raises(ConfigError, match="in-memory"):
        Ledger("sqlite://")
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StoreUnavailable, match="writable directory"):
        Ledger(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")
    (tmp_path / "broken.db").write_bytes(b"not a database " * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        Ledger(f"sqlite:///{tmp_path / 'broken.db'}")


def test_batches_are_recorded_all_or_none(ledger):
    with pytest.raises(Conflict):
        ledger.record_batches([batch(), batch()])
    assert ledger.batches("flights") == []
    assert ledger.entries("flights", "batch.recorded") == []


def test_the_state_of_a_batch_is_its_latest_revision(ledger):
    ledger.record_batches([batch()])
    ledger.record_batches([batch(revision=2)])
    [state] = ledger.batch_states("flights").values()
    assert state.revision == 2
    assert ledger.batches_by_id("flights", [batch().batch_id, "other"]).keys() == {batch().batch_id}


def test_features_of_a_day_are_recorded_once(ledger):
    day = FeatureRecord("flights", date(2013, 3, 1), inputs=3, rows=900, lake_version=0)
    ledger.record_features([day])
    ledger.record_features([replace(day, inputs=4, lake_version=1)])
    assert [each.inputs for each in ledger.features("flights").values()] == [4]
    assert ledger.features("other") == {}


def test_a_cause_that_this_version_does_not_have_reads_as_unknown(url, ledger):
    incident = ledger.record_evidence(CORRUPT)
    ledger.record_check(check("predictions", Outcome.FAIL))
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table in ("incidents", "checks"):
            connection.exec_driver_sql(f"UPDATE {table} SET cause = 'gremlins'")
    assert ledger.incident(incident.id).cause is Cause.UNKNOWN
    assert [record.cause for record in ledger.latest_checks("flights")] == [Cause.UNKNOWN]
