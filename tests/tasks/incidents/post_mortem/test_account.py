"""The account of an incident that the repair loop handled: everything from records, nothing invented."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import temporary_settings

from healing.approval import ApprovalOutcome
from healing.decision import Fate
from healing.diagnosis import ProblemSignal
from healing.evidence import Evidence
from healing.incident import Cause, Remedy, Status
from tasks.config.settings import Settings
from tasks.incidents.post_mortem import explanation
from tasks.incidents.post_mortem.account import account_of
from tasks.incidents.post_mortem.learning import learned_from
from tasks.incidents.post_mortem.page import as_html
from tasks.ledger.immediate_remedy import immediate_remedy
from tasks.ledger.store import Ledger
from tests.tasks.incidents.stories import NO_PREFECT, OTHER, Story

PIPELINE = "flights"


@pytest.fixture
def story(tmp_path):
    settings = Settings(home=tmp_path)
    with Ledger(settings.ledger_dsn) as ledger, temporary_settings(NO_PREFECT):
        yield Story(settings, ledger, PIPELINE)


@pytest.fixture
def escalated(story):
    return story.play(story.open(), Status.ESCALATED)


def test_the_account_of_an_escalated_incident_names_every_choice_and_why_not(story, escalated):
    account = account_of(story.ledger, escalated)
    choices = [(each.step, {c.remedy: c.fate for c in each.considered}) for each in explanation.choices_of(account)]
    restart, rollback = Remedy.RESTART_WORKER, Remedy.ROLLBACK
    assert choices[0] == ("start", {restart: Fate.CHOSEN, rollback: Fate.LATER})
    assert ("start", {restart: Fate.COOLING_DOWN, rollback: Fate.CHOSEN}) in choices
    assert ("wait", {restart: Fate.COOLING_DOWN, rollback: Fate.FUTILE}) in choices
    assert choices[-1] == ("escalate", {restart: Fate.OVER_BUDGET, rollback: Fate.FUTILE})
    assert account.ended_because.startswith("3 attempts within 1 h, the budget is 3")
    assert len(account.decisions) < 20


def test_the_timeline_follows_detection_confirmation_attempts_and_escalation(story, escalated):
    timeline = account_of(story.ledger, escalated).timeline
    happened = [event.what for event in timeline if not event.is_decision]
    assert happened[:3] == ["problem began", "detected", "confirmed"]
    assert happened[3:5] == ["attempt 1, restart_worker: start", "attempt 1, restart_worker: failed"]
    assert happened[-1] == "escalated"
    assert [event.at for event in timeline] == sorted(event.at for event in timeline)


def test_times_count_from_the_beginning_that_the_observer_reported(story, escalated):
    times = account_of(story.ledger, escalated).times
    assert times.to_detect >= 2
    assert times.to_detect <= times.to_confirm <= times.to_first_remedy <= times.to_escalate
    assert (times.to_mitigate, times.to_recover) == (None, None)


def test_requests_are_those_between_the_first_and_the_last_reading(story, escalated):
    counts = account_of(story.ledger, escalated).requests.counts
    assert counts.good == 0
    assert counts.degraded == 5 * counts.failed > 0


def test_an_escalated_incident_that_is_over_has_its_end_in_the_account(story, escalated):
    story.is_failing = False
    account = account_of(story.ledger, story.play(escalated, Status.RECOVERED))
    assert [event.what for event in account.timeline if not event.is_decision][-3:] == [
        "escalated",
        "mitigated",
        "over",
    ]
    assert account.ended_because.startswith("over after its escalation")
    assert account.times.to_escalate <= account.times.to_recover
    assert account.requests.counts.good > 0


def test_outcomes_and_odds_of_the_remedies_that_were_tried_are_in_the_account(story, escalated):
    learned = {each.remedy: each for each in account_of(story.ledger, escalated).learned}
    restart = learned[Remedy.RESTART_WORKER]
    assert (restart.before.failed, restart.after.failed) == (0, 2)
    assert sum(each.odds_after for each in learned.values()) == pytest.approx(1.0)


def test_attempts_that_failed_after_minutes_lower_the_odds_of_their_remedy(escalated):
    """Those of the story fail at once. Such a remedy costs no time, so its odds stay about the same."""
    slow = tuple(
        replace(each, ended_at=each.started_at + timedelta(minutes=5))
        for each in escalated.attempts
        if each.remedy is Remedy.RESTART_WORKER
    )
    incident = replace(escalated, id="seeds the draws", attempts=slow)
    learned = learned_from(incident, [], [Remedy.RESTART_WORKER, Remedy.ROLLBACK])
    restart = next(each for each in learned if each.remedy is Remedy.RESTART_WORKER)
    assert restart.after.failed == 2
    assert restart.odds_after < restart.odds_before - 0.1


def test_what_ingestion_treated_by_itself_has_no_decision_and_says_so(story):
    evidence = Evidence(PIPELINE, Cause.NULL_SPIKE, "rows/2013-03-01", "ingest", datetime.now(UTC), "holes")
    with immediate_remedy(story.ledger, evidence, Remedy.QUARANTINE_BATCH) as incident:
        pass
    account = account_of(story.ledger, story.ledger.incident(incident.id))
    assert account.was_confirmed
    assert (account.decisions, account.requests) == ((), None)
    assert explanation.allowed_of(account) == "its detector chose the remedy; the healer decided nothing"
    assert explanation.requests_in_words(account).startswith("not known")
    assert explanation.common_causes_of(account) == "not known"


def test_a_common_cause_that_explains_the_incident_is_named(story):
    story.shared = (ProblemSignal(Cause.RESOURCE_PRESSURE, OTHER),)
    incident = story.open()
    story.advance()
    assert story.ledger.incident(incident.id).status is Status.OPEN
    story.is_failing = False  # as the pressure is over
    account = account_of(story.ledger, story.play(incident, Status.DISMISSED))
    considered = "considered resource_pressure, disk_full: "
    affected = "1 of 2 serving models had the problem"
    assert explanation.common_causes_of(account) == f"{considered}resource_pressure explains it; {affected}"
    assert account.ended_because.startswith("the gateway reports no model_failing")
    assert not account.was_confirmed


def test_a_symptom_that_outlasts_its_common_cause_is_treated(story):
    """Its evidence is from before the end of the common cause: an incident that was closed would take it in."""
    story.shared = (ProblemSignal(Cause.RESOURCE_PRESSURE, OTHER),)
    incident = story.open()
    story.advance()
    story.open()
    story.shared = ()
    assert story.play(incident, Status.ESCALATED).attempts


def test_common_causes_that_explain_nothing_are_named_too(story, escalated):
    said = explanation.common_causes_of(account_of(story.ledger, escalated))
    assert said == "considered resource_pressure, disk_full: none explains it; 1 of 2 serving models had the problem"


def test_an_approval_and_its_answer_are_part_of_the_account(story):
    restart = Remedy.RESTART_WORKER
    story.policy = replace(story.policy, approvals={Cause.MODEL_FAILING: frozenset({restart})})
    incident = story.open()
    story.step()
    story.ledger.answer_approval(incident.id, ApprovalOutcome.REFUSED, by="ann", reason="it holds a lock")
    account = account_of(story.ledger, story.play(incident, Status.ESCALATED))
    happened = [(event.what, event.detail) for event in account.timeline]
    assert ("attempt 1, restart_worker: a person is asked", "") in happened
    assert ("attempt 1, restart_worker: refused by ann", "it holds a lock") in happened
    reasons = [c.reason for each in explanation.choices_of(account) for c in each.considered if c.remedy is restart]
    assert reasons[0] == "it needs the approval of a person"
    assert reasons[-1] == "a person refused it for this incident"


def test_times_have_their_date_where_an_incident_spans_several_days(story, escalated):
    account = account_of(story.ledger, escalated)
    yesterday = replace(account.timeline[0], at=account.timeline[0].at - timedelta(days=1))
    longer = replace(account, timeline=(yesterday, *account.timeline[1:]))
    today = f"{account.timeline[-1].at:%Y-%m-%d}"
    assert f"confirmed at {today}" in explanation.confirmation_of(longer)
    assert today in as_html(longer).split("<h2>Timeline</h2>")[1]
