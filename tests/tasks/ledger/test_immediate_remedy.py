from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from tasks.ledger.immediate_remedy import remedied
from tasks.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


def evidence() -> Evidence:
    return Evidence("flights", Cause.NULL_SPIKE, "flights/2013-03-01", "ingest", datetime.now(UTC), "holes", {})


def test_the_attempt_is_on_record_while_the_remedy_is_applied(ledger):
    with remedied(ledger, evidence(), Remedy.QUARANTINE_BATCH, "run-1") as incident:
        [running] = ledger.incident(incident.id).attempts
        assert (running.outcome, running.flow_run_id) == (AttemptOutcome.RUNNING, "run-1")
    after = ledger.incident(incident.id)
    assert after.status is Status.RECOVERED
    assert after.mitigated_at is not None
    assert [attempt.outcome for attempt in after.attempts] == [AttemptOutcome.SUCCEEDED]


def test_a_remedy_that_raises_is_a_failed_attempt_of_an_unfinished_incident(ledger):
    with pytest.raises(OSError, match="no space"), remedied(ledger, evidence(), Remedy.QUARANTINE_BATCH):
        raise OSError("no space")
    [incident] = ledger.unfinished("flights")
    assert [(a.outcome, a.note) for a in incident.attempts] == [(AttemptOutcome.FAILED, "OSError: no space")]


def test_an_attempt_that_a_killed_run_left_open_is_closed_and_the_incident_goes_on(ledger):
    lost = ledger.observe(evidence(), status=Status.DIAGNOSED)
    ledger.start_attempt(lost.id, Remedy.QUARANTINE_BATCH)
    with remedied(ledger, evidence(), Remedy.QUARANTINE_BATCH) as incident:
        assert incident.id == lost.id
    outcomes = [attempt.outcome for attempt in ledger.incident(lost.id).attempts]
    assert outcomes == [AttemptOutcome.FAILED, AttemptOutcome.SUCCEEDED]


def test_an_incident_that_needs_a_person_ends_escalated(ledger):
    with remedied(ledger, evidence(), Remedy.QUARANTINE_BATCH, ends=Status.ESCALATED) as incident:
        pass
    assert ledger.incident(incident.id).status is Status.ESCALATED
