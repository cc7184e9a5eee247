"""Prefect gets the page of an incident as one artifact, also when it was away when the incident ended."""

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import temporary_settings

from healing.incident import Status
from tasks.config.settings import Settings
from tasks.incidents.post_mortem.publishing import write_post_mortems
from tasks.ledger.store import Ledger
from tests.tasks.incidents.stories import NO_PREFECT, Story

PIPELINE = "flights"


@pytest.fixture
def story(tmp_path):
    settings = Settings(home=tmp_path)
    with Ledger(settings.ledger_dsn) as ledger:
        yield Story(settings, ledger, PIPELINE)


def artifacts(incident):
    key = ArtifactFilter(key=ArtifactFilterKey(any_=[f"incident-{incident.id}"]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=key)


def test_prefect_has_one_artifact_per_incident_that_follows_its_page(story):
    ended = story.play(story.open(), Status.ESCALATED)
    with temporary_settings(NO_PREFECT):
        write_post_mortems(story.settings, PIPELINE)
    assert artifacts(ended) == []
    write_post_mortems(story.settings, PIPELINE)
    [first] = artifacts(ended)
    assert "escalated" in first.data
    assert first.description == "model_failing of flights: escalated"
    story.is_failing = False
    story.play(ended, Status.RECOVERED)
    for _ in range(2):
        write_post_mortems(story.settings, PIPELINE)
    [second] = artifacts(ended)
    assert (second.id, second.description) == (first.id, "model_failing of flights: recovered")
    assert "over after its escalation" in second.data
