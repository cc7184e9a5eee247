"""What policy says reaches the repair loop: approvals, maintenance windows, and limits per cause."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import temporary_settings

from healing.approval import ApprovalOutcome
from healing.errors import Conflict
from healing.incident import Cause, Remedy, Status
from healing.limits import Limits
from healing.maintenance import MaintenanceWindow, Once
from healing.policy import Policy
from tasks.config.settings import Settings
from tasks.ledger.store import Ledger
from tasks.runtime import crash_points
from tests.tasks.incidents.stories import NO_PREFECT, Story

CAUSE = Cause.MODEL_FAILING


@pytest.fixture
def make_story(tmp_path):
    settings = Settings(home=tmp_path)
    with temporary_settings(NO_PREFECT), Ledger(settings.ledger_dsn) as ledger:
        yield lambda policy: Story(settings, ledger, "flights", policy)


def remedies(incident):
    return [attempt.remedy for attempt in incident.attempts]


def alerts(story):
    return story.settings.alerts_file.read_text().splitlines() if story.settings.alerts_file.exists() else []


def needing_approval(**limits):
    return Policy(approvals={CAUSE: frozenset({Remedy.RESTART_WORKER})}, cause_limits={CAUSE: Limits(**limits)})


def advance(story, times):
    for _ in range(times):
        story.advance()


def test_an_incident_asks_once_and_starts_no_remedy_before_a_person_answers(make_story):
    story = make_story(needing_approval())
    incident = story.open()
    advance(story, 5)
    assert story.ledger.incident(incident.id).status is Status.DIAGNOSED
    assert len(alerts(story)) == 1
    assert [(each.number, each.remedy) for each in story.ledger.approvals(incident.id)] == [(1, Remedy.RESTART_WORKER)]
    story.ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, by="ann")
    advance(story, 1)
    assert remedies(story.ledger.incident(incident.id))[:1] == [Remedy.RESTART_WORKER]


def test_a_refused_remedy_is_not_tried_and_the_next_one_is(make_story):
    story = make_story(needing_approval())
    incident = story.open()
    advance(story, 2)
    story.ledger.answer_approval(incident.id, ApprovalOutcome.REFUSED, by="ann")
    escalated = story.play(incident, Status.ESCALATED)
    assert Remedy.RESTART_WORKER not in remedies(escalated)
    assert Remedy.ROLLBACK in remedies(escalated)


def test_without_an_answer_the_incident_is_escalated_after_the_time_of_its_cause(make_story):
    story = make_story(needing_approval(approval_seconds_max=60))
    escalated = story.play(story.open(), Status.ESCALATED)
    assert remedies(escalated) == [Remedy.ESCALATE]
    assert "not approved within 60 s" in escalated.attempts[0].note
    assert len(alerts(story)) == 2


def test_a_healer_that_is_killed_after_it_asked_asks_nobody_a_second_time(make_story, monkeypatch):
    story = make_story(needing_approval())
    incident = story.open()

    def killed(point, **_):
        if point == "heal.approval_asked":
            raise Conflict("as a kill at this point: nothing is recorded")

    with monkeypatch.context() as patched:
        patched.setattr(crash_points, "reached", killed)
        advance(story, 2)
    assert story.ledger.approvals(incident.id) == []
    advance(story, 2)
    assert len(story.ledger.approvals(incident.id)) == 1
    assert len(alerts(story)) == 1


def test_a_maintenance_window_holds_remedies_back_and_not_those_that_serving_needs(make_story):
    now = datetime.now(UTC)
    window = MaintenanceWindow("patching", Once(now - timedelta(hours=1), now + timedelta(hours=1)))
    story = make_story(Policy(windows=(window,)))
    incident = story.open()
    advance(story, 5)
    assert remedies(story.ledger.incident(incident.id)) == [Remedy.ROLLBACK]  # futile here; the other one waits
    assert alerts(story) == []


def test_an_incident_waits_for_the_end_of_a_window_that_holds_all_its_remedies_back(make_story):
    now = datetime.now(UTC)
    schedule = Once(now - timedelta(hours=1), now + timedelta(hours=1))
    window = MaintenanceWindow("patching", schedule, remedies=frozenset(Remedy) - {Remedy.ESCALATE})
    story = make_story(Policy(windows=(window,)))
    incident = story.open()
    advance(story, 5)
    waiting = story.ledger.incident(incident.id)
    assert (waiting.status, remedies(waiting), alerts(story)) == (Status.DIAGNOSED, [], [])


def test_a_cause_has_its_own_budget(make_story):
    story = make_story(Policy(cause_limits={CAUSE: Limits(attempts_max=1)}))
    escalated = story.play(story.open(), Status.ESCALATED)
    assert remedies(escalated) == [Remedy.RESTART_WORKER, Remedy.ESCALATE]
