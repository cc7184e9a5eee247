"""Which pages exist, in both kinds of database: a page is due once per status, a decision is read as written."""

from datetime import UTC, datetime

import pytest

from healing.decision import Budget, Decision
from healing.diagnosis import Presence
from healing.evidence import Evidence
from healing.incident import Cause, Status
from tasks.ledger.post_mortems import PostMortem
from tasks.ledger.store import Ledger

PIPELINE = "flights"
NOW = datetime(2013, 3, 1, tzinfo=UTC)


@pytest.fixture
def ledger(database):
    with Ledger(database) as opened:
        yield opened


def escalated(ledger, subject="m", pipeline=PIPELINE):
    incident = ledger.record_evidence(Evidence(pipeline, Cause.MODEL_SLOW, subject, "gateway", NOW))
    return ledger.escalate(incident.id, "no remedy is left")


def due(ledger):
    return ledger.incidents_without_post_mortem(PIPELINE, 10)


def test_an_ended_incident_is_due_until_its_page_is_recorded_and_again_with_another_status(ledger):
    incident = escalated(ledger)
    ledger.record_evidence(Evidence(PIPELINE, Cause.MODEL_SLOW, "another", "gateway", NOW))
    escalated(ledger, pipeline="another")
    assert due(ledger) == [incident.id]
    ledger.record_post_mortem(PostMortem(incident.id, Status.ESCALATED, "page.html"))
    assert due(ledger) == []
    ledger.set_status(incident.id, Status.RECOVERED, "over")
    assert due(ledger) == [incident.id]


def test_a_page_is_unpublished_until_prefect_has_this_version_of_it(ledger):
    incident = escalated(ledger)
    first = PostMortem(incident.id, Status.ESCALATED, "page.html")
    second = PostMortem(incident.id, Status.RECOVERED, "page.html")
    ledger.record_post_mortem(first)
    assert ledger.unpublished_post_mortems(PIPELINE, 10) == [first]
    ledger.record_post_mortem(second)
    ledger.mark_published(first)  # by a process that read it before
    assert ledger.unpublished_post_mortems(PIPELINE, 10) == [second]
    ledger.mark_published(second)
    assert ledger.unpublished_post_mortems(PIPELINE, 10) == []
    assert ledger.post_mortem(incident.id) == second


def test_an_incident_that_needs_no_page_is_neither_due_nor_unpublished(ledger):
    incident = escalated(ledger)
    ledger.record_post_mortem(PostMortem(incident.id, Status.ESCALATED, ""))
    assert (due(ledger), ledger.unpublished_post_mortems(PIPELINE, 10)) == ([], [])
    assert ledger.post_mortem(incident.id) is None


def test_decisions_are_read_in_their_order_as_they_were_written(ledger):
    incident = escalated(ledger)
    budget = Budget(1, 3, 1, 24, 0, 3)
    decisions = [Decision(step, "because", Presence.CONFIRMED, "it is slow", budget) for step in ("wait", "start")]
    for decision in decisions:
        ledger.record_decision(incident.id, decision, NOW)
    assert [(each.at, each.decision) for each in ledger.decisions(incident.id)] == [(NOW, each) for each in decisions]


def test_the_entries_about_an_incident_leave_out_those_about_others(ledger):
    incident = escalated(ledger)
    escalated(ledger, "another")
    ledger.record_entry(PIPELINE, "disk.freeing", incident.id)
    kinds = [entry.kind for entry in ledger.entries_about(PIPELINE, incident.id)]
    assert kinds == ["incident.opened", "incident.escalated"]
