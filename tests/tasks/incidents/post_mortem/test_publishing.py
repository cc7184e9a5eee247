"""Every incident that ended gets its page once, whatever failed in between."""

from datetime import UTC, datetime

import pytest
from prefect.settings import temporary_settings

from healing.evidence import Evidence
from healing.incident import Cause, Status
from tasks.config.settings import Settings
from tasks.incidents.post_mortem import publishing
from tasks.incidents.post_mortem.publishing import page_file, write_post_mortems
from tasks.ledger.store import Ledger
from tests.tasks.incidents.stories import CHAMPION, NO_PREFECT, Story

PIPELINE = "flights"


@pytest.fixture
def story(tmp_path):
    settings = Settings(home=tmp_path)
    with Ledger(settings.ledger_dsn) as ledger, temporary_settings(NO_PREFECT):
        yield Story(settings, ledger, PIPELINE)


def write(story):
    return write_post_mortems(story.settings, PIPELINE)


def dismissed(story, subject="d" * 64):
    evidence = Evidence(PIPELINE, Cause.MODEL_SLOW, subject, "gateway", datetime.now(UTC), "slow")
    return story.ledger.set_status(story.ledger.record_evidence(evidence).id, Status.DISMISSED, "never there")


def test_an_incident_that_ended_gets_one_page_and_an_open_one_none(story):
    ended = story.play(story.open(), Status.ESCALATED)
    story.open("e" * 64)
    assert (write(story), write(story)) == (1, 0)
    assert list(page_file(story.settings, ended).parent.iterdir()) == [page_file(story.settings, ended)]


def test_the_page_of_an_escalated_incident_is_updated_when_it_is_over(story):
    ended = story.play(story.open(), Status.ESCALATED)
    write(story)
    file = page_file(story.settings, ended)
    assert "over after its escalation" not in file.read_text()
    story.is_failing = False
    story.play(ended, Status.RECOVERED)
    assert write(story) == 1
    assert "over after its escalation" in file.read_text()


def test_an_incident_that_was_never_confirmed_gets_no_page(story):
    found = dismissed(story)
    assert write(story) == 0
    assert not page_file(story.settings, found).exists()
    assert story.ledger.incidents_without_post_mortem(PIPELINE, 10) == []


def test_a_page_that_was_deleted_is_not_written_again(story):
    ended = story.play(story.open(), Status.ESCALATED)
    write(story)
    page_file(story.settings, ended).unlink()
    assert write(story) == 0


def test_a_disk_that_takes_no_page_delays_it(story):
    ended = story.play(story.open(), Status.ESCALATED)
    folder = page_file(story.settings, ended).parent
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    assert write(story) == 0
    folder.unlink()
    assert write(story) == 1


def test_a_defect_in_one_page_stops_neither_the_others_nor_the_healer(story, monkeypatch):
    for subject in (CHAMPION, "c" * 64):
        story.ledger.escalate(story.open(subject).id, "a test")
    render = publishing.as_html

    def broken(account):
        if account.incident.subject == CHAMPION:
            raise KeyError("a defect")
        return render(account)

    monkeypatch.setattr(publishing, "as_html", broken)
    assert (write(story), write(story)) == (1, 0)


def test_many_ended_incidents_are_written_in_several_calls(story):
    for number in range(publishing.PAGES_MAX + 2):
        story.ledger.escalate(story.open(f"{number}" * 64).id, "a test")
    assert [write(story) for _ in range(3)] == [publishing.PAGES_MAX, 2, 0]


def test_a_page_is_kept_for_prefect_while_it_does_not_answer(story):
    ended = story.play(story.open(), Status.ESCALATED)
    write(story)
    assert [each.incident_id for each in story.ledger.unpublished_post_mortems(PIPELINE, 10)] == [ended.id]
