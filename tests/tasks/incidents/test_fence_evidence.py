"""A fence whose event was lost has its incident all the same, once."""

from datetime import UTC, datetime, timedelta

import pytest

from healing.evidence import Evidence
from healing.incident import Cause, Status
from releases.log import ReleaseLog, abort_of
from releases.signing import ensure_keys
from tasks.config.settings import Settings
from tasks.incidents.fence_evidence import SETTLE_SECONDS, FenceEvidence
from tasks.ledger.store import Ledger
from tests.published import PIPELINE, bootstrap, publish_tiny_model, start_canary


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def ledger(settings):
    with Ledger(settings.ledger_dsn) as opened:
        yield opened


def fence_challenger(settings, author, ago_seconds=60.0):
    """A champion, and a challenger whose trial `author` aborts with a fence; returns the challenger's digest."""
    root, keys = settings.release_root(PIPELINE), ensure_keys(settings.keys_dir)
    champion, candidate = (publish_tiny_model(root, keys, version=f"0.{n}.0", seed=n) for n in (1, 2))
    bootstrap(root, champion)
    trial = start_canary(root, candidate, 0.5)
    at = datetime.now(UTC) - timedelta(seconds=ago_seconds)
    ReleaseLog(root).append(abort_of(trial, author=author, now=at, note="errors: 12 of 40", fence=True))
    return candidate.digest


def record(settings, ledger):
    """What a process that has just started records."""
    for evidence in FenceEvidence(settings, PIPELINE).evidence():
        ledger.record_evidence(evidence)


def test_a_fence_of_the_gateway_opens_one_incident_whoever_reads_it_and_how_often(settings, ledger):
    digest = fence_challenger(settings, "gateway")
    record(settings, ledger)
    record(settings, ledger)
    [incident] = ledger.incidents(PIPELINE)
    assert (incident.cause, incident.subject, incident.status) == (Cause.BAD_CANDIDATE, digest, Status.OPEN)
    assert [each["summary"] for each in incident.evidence] == ["gateway fenced 0.2.0: errors: 12 of 40"]
    ledger.set_status(incident.id, Status.DIAGNOSED)
    ledger.set_status(incident.id, Status.RECOVERED)
    record(settings, ledger)
    assert [each.id for each in ledger.incidents(PIPELINE)] == [incident.id]


def test_an_incident_that_the_event_opened_is_not_opened_again(settings, ledger):
    digest = fence_challenger(settings, "gateway")
    event = Evidence(PIPELINE, Cause.BAD_CANDIDATE, digest, "event:autopilot.canary.aborted", datetime.now(UTC))
    opened = ledger.record_evidence(event, status=Status.DIAGNOSED)
    ledger.set_status(opened.id, Status.RECOVERED)
    record(settings, ledger)
    assert [each.id for each in ledger.incidents(PIPELINE)] == [opened.id]


def test_a_fence_of_a_person_or_of_heal_is_no_evidence(settings):
    fence_challenger(settings, "Ada")
    assert FenceEvidence(settings, PIPELINE).evidence() == []


def test_a_fresh_fence_is_left_to_its_event_for_a_moment(settings):
    fence_challenger(settings, "gateway", ago_seconds=0)
    assert FenceEvidence(settings, PIPELINE).evidence() == []


def test_one_process_reads_a_fence_once(settings):
    fence_challenger(settings, "gateway", ago_seconds=SETTLE_SECONDS)
    fences = FenceEvidence(settings, PIPELINE)
    assert [len(fences.evidence()), len(fences.evidence())] == [1, 0]


def test_a_release_root_that_cannot_be_read_is_no_evidence(settings):
    settings.release_root(PIPELINE).parent.mkdir(parents=True)
    settings.release_root(PIPELINE).write_text("")
    assert FenceEvidence(settings, PIPELINE).evidence() == []
