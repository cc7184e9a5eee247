"""An incident and its attempts are spans of one trace, whichever process ends them."""

import pytest
from prefect.settings import temporary_settings

from healing.incident import Status
from observability.trace_context import trace_id_of
from tasks.runtime import traces
from tasks.runtime.traces import attempt_context, incident_context
from tests.collector import collecting, values
from tests.flows.release_bench import make_bench
from tests.published import PIPELINE
from tests.tasks.incidents.stories import NO_PREFECT, Story


@pytest.fixture
def traced(tmp_path, monkeypatch):
    """A pipeline whose model fails, and what collects the spans."""
    monkeypatch.setattr(traces, "_exports", {})
    with collecting() as collector, temporary_settings(NO_PREFECT):
        monkeypatch.setenv("AUTOPILOT_TRACES_URL", collector.url)
        bench = make_bench(tmp_path, monkeypatch)
        settings = bench.settings.model_copy(update={"traces_url": collector.url})
        with bench.ledger() as ledger:
            yield Story(settings, ledger, PIPELINE), collector, lambda: traces.flush_traces(settings)
        traces.traces_of(settings).close(2.0)


def test_an_incident_has_its_attempts_and_its_escalation_below_it(traced):
    story, collector, flush = traced
    incident = story.play(story.open(), Status.ESCALATED)
    flush()
    assert collector.named("incident model_failing") == []  # it is not over
    story.is_failing = False
    story.play(incident, Status.RECOVERED)
    flush()
    (escalation,) = collector.named("escalate")
    (root,) = collector.named("incident model_failing")
    attempts = [span for span in collector.spans if span.name.startswith("remedy ")]
    assert attempts
    assert {int.from_bytes(span.trace_id) for span in collector.spans} == {trace_id_of(incident.id)}
    assert int.from_bytes(root.span_id) == incident_context(incident.id).span_id
    assert {span.parent_span_id for span in attempts} == {root.span_id}
    keys = {values(span.attributes)["autopilot.idempotency_key"]: span for span in attempts}
    assert f"{incident.id}/1" in keys
    assert all(int.from_bytes(span.span_id) == attempt_context(key).span_id for key, span in keys.items())
    found = values(root.attributes)
    assert (found["autopilot.incident"], found["autopilot.incident.status"]) == (incident.id, "recovered")
    assert (found["autopilot.cause"], found["autopilot.pipeline"], root.status.code) == ("model_failing", PIPELINE, 0)
    assert (escalation.parent_span_id, escalation.status.code) == (root.span_id, 2)
    assert abs(root.start_time_unix_nano / 1e9 - incident.detected_at.timestamp()) < 1
    assert root.end_time_unix_nano >= max(span.end_time_unix_nano for span in attempts)


def test_an_incident_that_ends_by_itself_is_no_error(traced):
    story, collector, flush = traced
    incident = story.open()
    story.is_failing = False
    ended = {Status.DISMISSED, Status.RECOVERED}
    for _ in range(50):
        if story.ledger.incident(incident.id).status in ended:
            break
        story.advance()
    flush()
    (root,) = collector.named("incident model_failing")
    assert root.status.code == 0
    assert values(root.attributes)["autopilot.incident.status"] in {status.value for status in ended}
