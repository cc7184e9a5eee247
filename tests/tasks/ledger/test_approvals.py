"""Approvals in the ledger: asked once, answered once, by a person with a name, while the incident waits."""

from datetime import UTC, datetime

import pytest

from healing.approval import ApprovalOutcome
from healing.errors import Conflict, UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.moment import Moment
from tasks.ledger.store import Ledger

NOW = datetime(2013, 3, 1, tzinfo=UTC)
ASKED = Moment(NOW, "boot", 7.0)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def incident(ledger):
    evidence = Evidence("flights", Cause.MODEL_FAILING, "m", "gateway", NOW)
    return ledger.record_evidence(evidence, status=Status.DIAGNOSED)


def ask(ledger, incident, number=1, remedy=Remedy.ROLLBACK):
    ledger.ask_approval(incident.id, number, remedy, ASKED)


def refusal(ledger, incident, **answer):
    with pytest.raises(UsageError) as caught:
        ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, **{"by": "ann", **answer})
    return str(caught.value)


def test_an_answer_is_recorded_with_who_when_and_for_which_attempt(ledger, incident):
    ask(ledger, incident)
    [asked] = ledger.approvals(incident.id)
    assert (asked.number, asked.remedy, asked.asked, asked.outcome) == (1, Remedy.ROLLBACK, ASKED, None)
    answer = ledger.answer_approval(incident.id, ApprovalOutcome.REFUSED, by="ann", reason="we deploy")
    assert (answer.outcome, answer.decided_by, answer.reason) == (ApprovalOutcome.REFUSED, "ann", "we deploy")
    assert answer.decided_at is not None
    assert ledger.approvals(incident.id) == [answer]
    entries = [entry for entry in ledger.timeline("flights") if entry.kind.startswith("approval.")]
    assert [entry.kind for entry in entries] == ["approval.asked", "approval.refused"]
    assert entries[1].detail["by"] == "ann"
    assert entries[1].detail["number"] == 1


def test_a_question_is_recorded_once(ledger, incident):
    ask(ledger, incident)
    with pytest.raises(Conflict):
        ask(ledger, incident)


def test_a_question_is_answered_once(ledger, incident):
    ask(ledger, incident)
    ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, by="ann")
    assert "found " in refusal(ledger, incident)
    assert ledger.approvals(incident.id)[0].decided_by == "ann"


def test_nothing_can_be_approved_before_it_was_asked_for(ledger, incident):
    assert "no question" in refusal(ledger, incident)


def test_a_question_that_the_incident_has_gone_beyond_cannot_be_answered(ledger, incident):
    ask(ledger, incident)
    attempt = ledger.start_attempt(incident.id, Remedy.RESTART_WORKER)
    ledger.finish_attempt(incident.id, attempt.number, AttemptOutcome.FAILED)
    assert "no longer needed" in refusal(ledger, incident)


def test_an_escalated_incident_waits_for_no_approval(ledger, incident):
    ask(ledger, incident)
    ledger.escalate(incident.id, "not approved in time")
    assert "status escalated" in refusal(ledger, incident)


def test_of_two_questions_the_remedy_has_to_be_named(ledger, incident):
    ask(ledger, incident)
    ask(ledger, incident, remedy=Remedy.RESTART_WORKER)
    assert "name one with --remedy" in refusal(ledger, incident)
    answer = ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, by="ann", remedy=Remedy.RESTART_WORKER)
    assert answer.remedy is Remedy.RESTART_WORKER


def test_an_answer_needs_a_name(ledger, incident):
    ask(ledger, incident)
    assert "expected the name" in refusal(ledger, incident, by=" ")
