"""Notes of an outage reach the ledger once, whatever both sides did meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from healing.approval import ApprovalOutcome
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from tasks.ledger.outage import MERGED, UNREACHABLE
from tasks.ledger.store import Ledger
from tasks.runtime.clock import current_moment

PIPELINE = "flights"


@pytest.fixture
def ledger(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def local(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'offline-ledger.db'}") as opened:
        yield opened


def evidence(subject="abc", cause=Cause.MODEL_CORRUPT, ago_seconds=0.0):
    at = datetime.now(UTC) - timedelta(seconds=ago_seconds)
    return Evidence(PIPELINE, cause, subject, "gateway", at, "digest differs")


def separate(ledger, local):
    """The ledger goes away: the local side has copies of the recent incidents, and begins its notes."""
    local.replace_all(ledger.recent_copies(PIPELINE))
    local.begin_outage(PIPELINE, "refused")


def roll_back(ledger, incident, outcome=AttemptOutcome.SUCCEEDED):
    """An attempt from its start to its end."""
    if incident.status is Status.OPEN:
        ledger.set_status(incident.id, Status.DIAGNOSED)
    attempt = ledger.start_attempt(incident.id, Remedy.ROLLBACK)
    if outcome is AttemptOutcome.SUCCEEDED:
        return ledger.finish_and_close(incident.id, attempt.number, Status.RECOVERED, "rolled back")
    return ledger.finish_attempt(incident.id, attempt.number, outcome, "no help")


def shown(incident):
    return incident.status, [(a.number, a.remedy, a.outcome) for a in incident.attempts]


def kinds(ledger):
    return [entry.kind for entry in ledger.timeline(PIPELINE)]


def test_an_incident_of_the_outage_is_added_with_its_story_and_a_second_merge_adds_nothing(database, local):
    with Ledger(database) as ledger:
        separate(ledger, local)
        ended = roll_back(local, local.record_evidence(evidence()))
        notes = local.notes(PIPELINE)
        assert ledger.merge(notes) == len(notes.entries)
        assert ledger.incident(ended.id) == ended
        assert kinds(ledger) == [*kinds(local), MERGED]
        assert ledger.merge(notes) == 0
        assert ledger.incident(ended.id) == ended
        assert kinds(ledger) == [*kinds(local), MERGED]


def test_notes_that_go_on_after_a_merge_are_added_without_the_earlier_ones(ledger, local):
    """The healer was killed between the merge and the end of its notes, and the ledger went away again."""
    separate(ledger, local)
    incident = local.record_evidence(evidence())
    ledger.merge(local.notes(PIPELINE))
    local.begin_outage(PIPELINE, "refused again")
    ended = roll_back(local, incident)
    assert ledger.merge(local.notes(PIPELINE)) == 4
    assert ledger.incident(ended.id) == ended
    assert [kind for kind in kinds(ledger) if kind != MERGED] == kinds(local)


def test_an_incident_that_was_open_before_goes_on_under_its_id(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    separate(ledger, local)
    roll_back(local, local.incident(before.id), AttemptOutcome.FAILED)
    ended = roll_back(local, local.incident(before.id))
    ledger.merge(local.notes(PIPELINE))
    assert ledger.incident(before.id) == ended
    assert len(ledger.incidents(PIPELINE)) == 1


def test_an_incident_that_is_open_on_both_sides_joins(ledger, local):
    separate(ledger, local)
    ours = ledger.record_evidence(evidence(ago_seconds=5))
    theirs = roll_back(local, local.record_evidence(evidence(ago_seconds=1)))
    assert ours.id != theirs.id
    ledger.merge(local.notes(PIPELINE))
    [joined] = ledger.incidents(PIPELINE)
    assert (joined.id, len(joined.evidence)) == (ours.id, 2)
    assert shown(joined) == (Status.RECOVERED, [(1, Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED)])
    finished = next(entry for entry in ledger.timeline(PIPELINE) if entry.kind == "attempt.finished")
    assert (finished.subject, finished.detail["recorded"]) == (ours.id, "offline")


def test_an_attempt_that_the_outage_cut_off_is_lost_and_the_next_one_counts_after_it(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    local.replace_all(ledger.recent_copies(PIPELINE))
    ledger.start_attempt(before.id, Remedy.ROLLBACK)  # and the ledger goes away before its end is recorded
    local.begin_outage(PIPELINE, "refused")
    roll_back(local, local.incident(before.id))
    ledger.merge(local.notes(PIPELINE))
    assert shown(ledger.incident(before.id)) == (
        Status.RECOVERED,
        [(1, Remedy.ROLLBACK, AttemptOutcome.FAILED), (2, Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED)],
    )


def test_an_attempt_that_was_copied_while_it_ran_keeps_its_number_and_gets_its_outcome(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    attempt = ledger.start_attempt(before.id, Remedy.ROLLBACK)
    separate(ledger, local)
    local.finish_and_close(before.id, attempt.number, Status.RECOVERED, "rolled back")
    ledger.merge(local.notes(PIPELINE))
    assert shown(ledger.incident(before.id)) == (Status.RECOVERED, [(1, Remedy.ROLLBACK, AttemptOutcome.SUCCEEDED)])


def test_another_healer_that_reached_the_ledger_keeps_the_incident(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    separate(ledger, local)
    local.start_attempt(before.id, Remedy.RESTART_WORKER)
    ledger.start_attempt(before.id, Remedy.ROLLBACK)
    ledger.merge(local.notes(PIPELINE))
    assert shown(ledger.incident(before.id)) == (
        Status.HEALING,
        [(1, Remedy.ROLLBACK, AttemptOutcome.RUNNING), (2, Remedy.RESTART_WORKER, AttemptOutcome.FAILED)],
    )


def test_an_incident_that_ended_in_the_ledger_stays_ended(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    separate(ledger, local)
    roll_back(local, local.incident(before.id), AttemptOutcome.FAILED)
    ended = roll_back(ledger, ledger.incident(before.id))
    ledger.merge(local.notes(PIPELINE))
    after = ledger.incident(before.id)
    assert (after.status, after.ended_at) == (Status.RECOVERED, ended.ended_at)
    assert [attempt.outcome for attempt in after.attempts] == [AttemptOutcome.SUCCEEDED, AttemptOutcome.FAILED]


def test_people_who_were_notified_offline_are_not_notified_again(ledger, local):
    separate(ledger, local)
    incident = local.record_evidence(evidence(), status=Status.DIAGNOSED)
    local.escalate(incident.id, "no earlier model")
    ledger.merge(local.notes(PIPELINE))
    [escalated] = ledger.observed_incidents(PIPELINE)
    assert shown(escalated) == (Status.ESCALATED, [(1, Remedy.ESCALATE, AttemptOutcome.SUCCEEDED)])
    assert ledger.record_evidence(replace(evidence(), observed_at=datetime.now(UTC))).id == incident.id


def ask(ledger, incident, number=1, remedy=Remedy.ROLLBACK):
    ledger.ask_approval(incident.id, number, remedy, current_moment())


def test_an_approval_that_was_asked_for_offline_can_be_answered_afterwards(database, local):
    with Ledger(database) as ledger:
        before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
        separate(ledger, local)
        ask(local, before)
        new = local.record_evidence(evidence("def"), status=Status.DIAGNOSED)
        ask(local, new)
        for _ in range(2):
            ledger.merge(local.notes(PIPELINE))
        for incident in (before, new):
            assert ledger.approvals(incident.id) == local.approvals(incident.id)
            ledger.answer_approval(incident.id, ApprovalOutcome.APPROVED, by="Ada")
        assert kinds(ledger).count("approval.asked") == 2


def test_an_answer_in_the_ledger_is_kept_and_a_later_question_follows_its_attempt(ledger, local):
    before = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    ask(ledger, before)
    separate(ledger, local)  # with a copy of the open question
    answered = ledger.answer_approval(before.id, ApprovalOutcome.APPROVED, by="Ada")
    roll_back(ledger, ledger.incident(before.id), AttemptOutcome.FAILED)
    roll_back(local, local.incident(before.id), AttemptOutcome.FAILED)
    ask(local, before, number=2, remedy=Remedy.RETRAIN)
    ledger.merge(local.notes(PIPELINE))
    assert len(ledger.incident(before.id).attempts) == 2
    first, second = ledger.approvals(before.id)
    assert first == answered
    assert (second.number, second.remedy, second.outcome) == (3, Remedy.RETRAIN, None)


def test_people_are_asked_again_where_the_incident_that_they_were_asked_about_became_another(ledger, local):
    separate(ledger, local)
    ours = ledger.record_evidence(evidence(), status=Status.DIAGNOSED)
    ask(local, local.record_evidence(evidence(), status=Status.DIAGNOSED))
    ledger.merge(local.notes(PIPELINE))
    assert ledger.approvals(ours.id) == []


def test_a_release_that_another_process_recorded_is_not_recorded_twice(ledger, local):
    separate(ledger, local)
    local.record_entry(PIPELINE, "release.committed", f"{PIPELINE}/2")
    ledger.record_entry(PIPELINE, "release.committed", f"{PIPELINE}/2")
    ledger.merge(local.notes(PIPELINE))
    assert kinds(ledger) == ["release.committed", UNREACHABLE, MERGED]


def test_budgets_count_what_happened_before_and_during_the_outage(ledger, local):
    earlier = roll_back(ledger, ledger.record_evidence(evidence()))
    old = replace(evidence("other"), observed_at=datetime.now(UTC) - timedelta(days=3))
    ledger.record_evidence(old)
    separate(ledger, local)
    assert {incident.subject for incident in local.incidents(PIPELINE)} == {"abc", "other"}
    assert local.incident(earlier.id) == earlier


def test_copies_replace_what_was_on_record_and_start_no_notes(ledger, local):
    local.record_evidence(evidence("stale"))
    ledger.record_evidence(evidence())
    local.replace_all(ledger.recent_copies(PIPELINE))
    assert local.incidents(PIPELINE) == ledger.incidents(PIPELINE)
    assert local.notes(PIPELINE) is None
