"""An event carries evidence, also one that a person emits by hand with an incomplete payload."""

import uuid
from datetime import UTC, datetime

import pytest

from healing.evidence import Evidence
from healing.incident import Cause
from tasks.runtime.events import EventEvidence, payload_of

NOW = datetime(2013, 6, 1, tzinfo=UTC)


def event(name, payload):
    return EventEvidence(id=uuid.uuid4(), name=name, occurred=NOW, payload=payload)


def test_evidence_reads_back_from_its_event():
    sent = Evidence("flights", Cause.MODEL_CORRUPT, "abc", "gateway", NOW, "digest differs", {"file": "model.skops"})
    found = event("autopilot.gateway.problem", payload_of(sent)).evidence("flights")
    assert (found.cause, found.subject, found.summary, found.facts) == (sent.cause, "abc", "digest differs", sent.facts)
    assert found.observer == "event:autopilot.gateway.problem"
    assert found.observed_at == NOW


@pytest.mark.parametrize(
    ("name", "payload", "cause"),
    [
        ("autopilot.drift.detected", {}, Cause.DATA_DRIFT),
        ("autopilot.quality.dropped", {}, Cause.QUALITY_DROP),
        ("autopilot.gateway.problem", {"cause": "gremlins"}, Cause.UNKNOWN),
        ("autopilot.gateway.problem", {"cause": "model_slow", "facts": "none"}, Cause.MODEL_SLOW),
    ],
)
def test_an_incomplete_event_gets_a_cause(name, payload, cause):
    assert event(name, payload).evidence("flights").cause is cause


def test_an_event_that_only_asks_heal_to_run_carries_no_evidence():
    assert event("autopilot.retrain.finished", {"result": "promoted"}).evidence("flights") is None
