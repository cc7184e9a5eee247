"""`autopilot incident` lists, shows and explains incidents, for people and for programs."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from prefect.settings import temporary_settings
from typer.testing import CliRunner

from cli.incident.group import app
from healing.errors import UsageError
from healing.evidence import Evidence
from healing.incident import AttemptOutcome, Cause, Remedy, Status
from healing.moment import Moment
from tasks.config.settings import Settings
from tasks.incidents.post_mortem.publishing import page_file, write_post_mortems
from tasks.ledger.store import Ledger
from tests.flows.durability.world import World
from tests.tasks.incidents.stories import NO_PREFECT, Story

PIPELINE = "small"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTOPILOT_PIPELINES_DIR", str(World(tmp_path).build().pipelines))
    return tmp_path / "home"


@pytest.fixture
def ledger(home):
    with Ledger(Settings().ledger_dsn) as opened, temporary_settings(NO_PREFECT):
        yield opened


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def incident(ledger, subject="a" * 64, *, seconds_ago=90.0):
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    facts = {"errors": 3}
    return ledger.record_evidence(
        Evidence(PIPELINE, Cause.MODEL_FAILING, subject, "gateway", at, "its worker died", facts)
    )


def escalated(ledger, subject="b" * 64):
    found = incident(ledger, subject, seconds_ago=7_200)
    ledger.set_status(found.id, Status.DIAGNOSED)
    attempt = ledger.start_attempt(found.id, Remedy.RESTART_WORKER)
    ledger.finish_attempt(found.id, attempt.number, AttemptOutcome.FAILED, "it died again")
    return ledger.escalate(found.id, "policy has no further remedy")


def test_a_home_without_incidents_says_so_and_stays_as_it_is(home):
    assert said("list", PIPELINE) == "No incident is on record.\n"
    assert not (home / "ledger.db").exists()


def test_lists_open_incidents_before_ended_ones_with_age_status_and_attempts(ledger):
    ended, opened = escalated(ledger), incident(ledger)
    title, first, second = said("list", PIPELINE).splitlines()
    assert title.split() == ["id", "age", "status", "cause", "subject", "attempts"]
    assert first.split()[:5] == [opened.id[:8], "2", "min", "open", "model_failing"]
    assert second.split()[:5] == [ended.id[:8], "2", "h", "escalated", "model_failing"]
    assert second.endswith("restart_worker, escalate")
    documents = json.loads(said("list", PIPELINE, "--json"))
    assert [each["id"] for each in documents] == [opened.id, ended.id]
    assert 89 < documents[0]["age_seconds"] < 3_600


def test_shows_one_incident_by_the_beginning_of_its_id(ledger):
    found = escalated(ledger)
    text = said("show", PIPELINE, found.id[:6])
    for expected in (found.id, "model_failing", "gateway: its worker died", "errors: 3", "it died again"):
        assert expected in text
    assert ["1", "restart_worker", "failed"] in [line.split()[:3] for line in text.splitlines()]
    assert ["page", "none", "yet"] in [line.split() for line in text.splitlines()]
    document = json.loads(said("show", PIPELINE, found.id, "--json"))
    assert document["attempts"][0]["note"] == "it died again"
    assert document["status"] == "escalated"


def test_shows_where_the_page_of_an_ended_incident_is(ledger):
    found = escalated(ledger)
    write_post_mortems(Settings(), PIPELINE)
    page = page_file(Settings(), found)
    assert page.is_file()
    assert ["page", str(page)] in [line.split() for line in said("show", PIPELINE, found.id).splitlines()]
    assert json.loads(said("show", PIPELINE, found.id, "--json"))["page"] == str(page)


def test_explains_the_choices_of_an_incident_that_the_healer_handled(ledger):
    found = Story(Settings(), ledger, PIPELINE)
    incident_id = found.play(found.open(), Status.ESCALATED).id
    text = " ".join(said("explain", PIPELINE, incident_id[:8]).split())
    for expected in (
        "gateway: its worker died",
        "considered resource_pressure, disk_full: none explains it",
        "restart_worker, rollback (as policy lists them); not in the policy: wait, abort_canary, retrain",
        "start the first in order of those with no attempt yet; the order is restart_worker, rollback",
        "rollback futile, aaaaaaaaaaaa is out of service already: nothing to roll back",
        "restart_worker cooling_down, may start again in",
        "escalate 3 attempts within 1 h, the budget is 3",
    ):
        assert expected in text
    document = json.loads(said("explain", PIPELINE, incident_id, "--json"))
    assert document["decisions"][-1]["decision"]["step"] == "escalate"


@pytest.mark.parametrize("command", ["show", "explain"])
def test_an_unknown_id_is_refused_with_the_way_to_find_one(ledger, command):
    incident(ledger)
    with pytest.raises(UsageError, match=r"found 'zzz'; `autopilot incident list` shows them"):
        CliRunner().invoke(app, [command, PIPELINE, "zzz"], catch_exceptions=False)


def test_a_beginning_that_fits_several_incidents_is_refused_with_their_ids(ledger):
    ids = {incident(ledger, subject).id for subject in ("a", "b")}
    with pytest.raises(UsageError, match="fits") as refusal:
        CliRunner().invoke(app, ["show", PIPELINE, ""], catch_exceptions=False)
    assert all(each in str(refusal.value) for each in ids)


def test_a_wildcard_is_no_beginning_of_an_id(ledger):
    incident(ledger)
    with pytest.raises(UsageError, match="found '%'"):
        CliRunner().invoke(app, ["show", PIPELINE, "%"], catch_exceptions=False)


def waiting(ledger):
    found = incident(ledger)
    ledger.set_status(found.id, Status.DIAGNOSED)
    ledger.ask_approval(found.id, 1, Remedy.ROLLBACK, Moment(datetime.now(UTC)))
    return found


def test_a_person_approves_or_refuses_a_remedy_by_name(ledger):
    first = waiting(ledger)
    assert "rollback approved as attempt 1" in said("approve", PIPELINE, first.id[:8], "--by", "ann")
    assert ledger.approvals(first.id)[0].decided_by == "ann"
    with pytest.raises(UsageError, match="waits for an approval"):
        said("approve", PIPELINE, first.id[:8], "--by", "bob", "--refuse")


def test_a_refusal_has_its_reason_for_programs_too(ledger):
    first = waiting(ledger)
    words = ("--by", "ann", "--refuse", "--reason", "we deploy", "--remedy", "rollback", "--json")
    answer = json.loads(said("approve", PIPELINE, first.id, *words))
    assert (answer["outcome"], answer["reason"]) == ("refused", "we deploy")


def test_a_remedy_that_does_not_exist_cannot_be_approved(ledger):
    with pytest.raises(UsageError, match="found 'reboot'"):
        said("approve", PIPELINE, waiting(ledger).id, "--by", "ann", "--remedy", "reboot")
