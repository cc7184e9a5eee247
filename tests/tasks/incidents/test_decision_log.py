"""A decision is recorded when it changes, not once per look."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from healing.common_cause import CommonCauses
from healing.decision import Budget, ConsideredRemedy, Decision, Fate
from healing.diagnosis import Presence
from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from healing.slo import AnswerCounts
from healing.verdict import Outcome
from tasks.incidents import decision_log
from tasks.incidents.decision_log import DecisionLog
from tasks.ledger import schema
from tasks.ledger.database import LedgerUnavailable
from tasks.ledger.store import Ledger

NOW = datetime(2013, 3, 1, tzinfo=UTC)
START = Decision(
    step="start",
    reason="the first in order",
    presence=Presence.CONFIRMED,
    presence_reason="its worker died",
    budget=Budget(0, 3, 0, 24, 0, 3),
    common_causes=CommonCauses((Cause.DISK_FULL,), None, 1, 2),
    considered=(ConsideredRemedy(Remedy.ROLLBACK, Fate.CHOSEN, "the first in order", 0, 0.5),),
    remedy=Remedy.ROLLBACK,
    attempt=1,
    served=AnswerCounts(5, 2, 0),
)
VERIFY = replace(START, step="verify", reason="", considered=(), verified=Outcome.PASS, verified_reason="1 answer")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def incident(ledger):
    return ledger.record_evidence(Evidence("flights", Cause.MODEL_FAILING, "m", "gateway", NOW))


def recorded(ledger, incident):
    return [each.decision for each in ledger.decisions(incident.id)]


def test_a_decision_is_read_back_as_it_was_made(ledger, incident):
    DecisionLog(ledger).record(incident, START, NOW)
    [found] = ledger.decisions(incident.id)
    assert (found.at, found.decision) == (NOW, START)


def test_a_repeated_decision_is_recorded_once_also_by_the_next_process(ledger, incident):
    first = DecisionLog(ledger)
    for decision in (START, VERIFY, replace(VERIFY, verified_reason="2 answers"), VERIFY):
        first.record(incident, decision, NOW)
    DecisionLog(ledger).record(incident, VERIFY, NOW)
    assert recorded(ledger, incident) == [START, VERIFY]


def test_waiting_is_bounded_and_acts_are_always_recorded(ledger, incident, monkeypatch):
    monkeypatch.setattr(decision_log, "DECISIONS_MAX", 4)
    log = DecisionLog(ledger)
    for _ in range(5):
        for outcome in (Outcome.PASS, Outcome.INCONCLUSIVE):
            log.record(incident, replace(VERIFY, verified=outcome), NOW)
    log.record(incident, START, NOW)
    assert [each.step for each in recorded(ledger, incident)] == ["verify"] * 4 + ["start"]


def test_a_decision_of_another_version_is_left_out(ledger, incident, tmp_path):
    DecisionLog(ledger).record(incident, START, NOW)
    with sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}").begin() as connection:
        connection.execute(schema.decisions.insert().values(incident_id=incident.id, at_utc=NOW, decision={"step": 1}))
    assert recorded(ledger, incident) == [START]


def test_a_ledger_that_does_not_answer_is_reported_to_the_healer(ledger, incident, tmp_path):
    schema.decisions.drop(sa.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}"))
    with pytest.raises(LedgerUnavailable):
        DecisionLog(ledger).record(incident, START, NOW)


def test_nothing_is_recorded_about_a_closed_incident(ledger, incident):
    closed = ledger.set_status(incident.id, Status.DISMISSED)
    DecisionLog(ledger).record(closed, replace(START, step="wait"), NOW)
    assert recorded(ledger, incident) == []
