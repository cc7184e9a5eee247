from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from tasks.ledger.immediate_remedy import immediate_remedy
from tasks.ledger.store import Ledger


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def evidence() -> Evidence:
    return Evidence("flights", Cause.NULL_SPIKE, "flights/2013-03-01", "ingest", datetime.now(UTC), "holes", {})


def test_the_attempt_is_recorded_before_the_remedy_is_applied(ledger):
    with immediate_remedy(ledger, evidence(), Remedy.QUARANTINE_BATCH, "run-1") as incident:
        [running] = ledger.incident(incident.id).attempts
        assert (running.outcome, running.flow_run_id) == (AttemptOutcome.RUNNING, "run-1")
    after = ledger.incident(incident.id)
    assert after.status is Status.RECOVERED
    assert after.mitigated_at is not None
    assert [attempt.outcome for attempt in after.attempts] == [AttemptOutcome.SUCCEEDED]


def test_an_error_fails_the_attempt_and_leaves_the_incident_unfinished(ledger):
    with pytest.raises(OSError, match="no space"), immediate_remedy(ledger, evidence(), Remedy.QUARANTINE_BATCH):
        raise OSError("no space")
    [incident] = ledger.unfinished_incidents("flights")
    assert [(a.outcome, a.note) for a in incident.attempts] == [(AttemptOutcome.FAILED, "OSError: no space")]


def test_an_attempt_of_a_killed_run_is_failed_before_the_next_one_starts(ledger):
    lost = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    ledger.start_attempt(lost.id, Remedy.QUARANTINE_BATCH)
    with immediate_remedy(ledger, evidence(), Remedy.QUARANTINE_BATCH) as incident:
        assert incident.id == lost.id
    outcomes = [attempt.outcome for attempt in ledger.incident(lost.id).attempts]
    assert outcomes == [AttemptOutcome.FAILED, AttemptOutcome.SUCCEEDED]


def test_the_incident_ends_with_the_given_status(ledger):
    with immediate_remedy(ledger, evidence(), Remedy.QUARANTINE_BATCH, ends=Status.ESCALATED) as incident:
        pass
    assert ledger.incident(incident.id).status is Status.ESCALATED
