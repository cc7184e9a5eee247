"""Flow runs have spans in the trace of their incident, whoever starts them and whether Prefect is up."""

import json
import sys
import time

import pytest
import structlog
from structlog.testing import capture_logs

from observability.span import current_span
from observability.trace_context import TraceContext, new_span_id, new_trace_id
from tasks.config.settings import Settings
from tasks.runtime import traces
from tasks.runtime.local_runs import start_local_run
from tasks.runtime.traces import attempt_context, carried_by, incident_context, observed, observed_task
from tests.collector import collecting, values

INCIDENT = "0b5e3c9a-7c1d-4f6e-9a39-0d3f0c6f8b11"
KEY = f"{INCIDENT}/2"
log = structlog.get_logger(__name__)


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setattr(traces, "_exports", {})
    monkeypatch.delenv("TRACEPARENT", raising=False)
    with collecting() as started:
        monkeypatch.setenv("AUTOPILOT_TRACES_URL", started.url)
        yield started
        started.behaviour = "take"
        for export in traces._exports.values():
            export.close(2.0)


@observed_task
def fit(rows: int) -> int:
    log.info("fitted", rows=rows)
    return rows + 1


@observed
def release(pipeline: str, incident_id: str | None = None) -> str:
    return f"{pipeline} {incident_id}"


@observed
def retrain(pipeline: str, incident_id: str | None = None, fails: bool = False) -> int:
    """The docstring of the flow."""
    if fails:
        raise ValueError("no rows")
    release(pipeline, incident_id)
    return fit(41)


def ids(span):
    return int.from_bytes(span.trace_id), int.from_bytes(span.parent_span_id)


def test_a_run_is_a_span_above_those_of_its_steps_and_of_the_flows_that_it_calls(collector):
    assert retrain("flights", incident_id=INCIDENT) == 42
    (run,), (step,), (below,) = map(collector.named, ("flow retrain", "task fit", "flow release"))
    assert step.parent_span_id == below.parent_span_id == run.span_id
    assert ids(run) == (incident_context(INCIDENT).trace_id, incident_context(INCIDENT).span_id)
    assert values(run.attributes) == {"autopilot.pipeline": "flights", "autopilot.incident_id": INCIDENT}
    assert collector.resources[0]["service.name"] == "autopilot-control-plane"


def test_a_run_that_fails_has_its_error_and_raises_it(collector):
    with pytest.raises(ValueError, match="no rows"):
        retrain("flights", fails=True)
    (run,) = collector.named("flow retrain")
    assert (run.status.code, run.status.message) == (2, "no rows")
    assert run.parent_span_id == b""


def test_a_run_that_an_attempt_starts_in_its_process_is_below_the_attempt(collector):
    with carried_by(KEY):
        retrain("flights")
    (run,), (below,) = collector.named("flow retrain"), collector.named("flow release")
    assert ids(run) == (incident_context(INCIDENT).trace_id, attempt_context(KEY).span_id)
    assert below.parent_span_id == run.span_id


def test_a_local_run_is_told_its_attempt_by_its_environment(collector, tmp_path):
    wrote = tmp_path / "parent"
    command = f"import os; open({str(wrote)!r}, 'w').write(os.environ['TRACEPARENT'])"
    start_local_run(
        Settings(home=tmp_path / "home"), "subprocess:check_call", {"args": [sys.executable, "-c", command]}, KEY
    )
    deadline = time.monotonic() + 60
    while not (wrote.exists() and wrote.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert wrote.read_text() == attempt_context(KEY).traceparent


def test_the_environment_names_the_parent_of_a_run(collector, monkeypatch):
    parent = TraceContext(new_trace_id(), new_span_id())
    monkeypatch.setenv("TRACEPARENT", parent.traceparent)
    retrain("flights", incident_id=INCIDENT)
    assert ids(collector.named("flow retrain")[0]) == (parent.trace_id, parent.span_id)


@pytest.mark.parametrize("key", ["", "flights/3-2", "renewal", f"{INCIDENT}/", f"{INCIDENT}/x", "incident/1"])
def test_a_key_of_another_kind_is_no_attempt(key):
    assert attempt_context(key) is None


def test_log_lines_of_a_run_have_its_pipeline_and_incident_and_later_lines_have_not(collector):
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        retrain("flights", incident_id=INCIDENT)
        log.info("later")
    fitted = next(line for line in lines if line["event"] == "fitted")
    assert (fitted["pipeline"], fitted["incident"], fitted["flow"]) == ("flights", INCIDENT, "retrain")
    assert "incident" not in next(line for line in lines if line["event"] == "later")


def test_a_run_in_a_process_of_its_own_logs_json_with_the_ids_of_its_span(collector, monkeypatch, capsys):
    retrain("flights", incident_id=INCIDENT)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (fitted,) = [line for line in lines if line["event"] == "fitted"]
    (step,) = collector.named("task fit")
    assert (fitted["trace_id"], fitted["span_id"]) == (step.trace_id.hex(), step.span_id.hex())
    assert (fitted["service"], fitted["pipeline"], fitted["incident"]) == ("flow", "flights", INCIDENT)


@pytest.mark.parametrize("behaviour", ["hang", 500, "garbage"])
def test_a_collector_that_fails_costs_a_run_a_bounded_time(collector, behaviour):
    collector.behaviour = behaviour
    began = time.monotonic()
    assert retrain("flights") == 42
    assert time.monotonic() - began < 30  # 2 s by the limit; without one a hang would be 10 s per batch and retry


def test_without_an_address_a_run_has_no_span(monkeypatch):
    monkeypatch.delenv("AUTOPILOT_TRACES_URL", raising=False)
    monkeypatch.setattr(traces, "_exports", {})

    @observed
    def look(pipeline: str) -> object:
        return current_span.get()

    assert look("flights") is None
    assert traces._exports == {}


def test_prefect_sees_the_signature_of_the_flow():
    import inspect

    assert list(inspect.signature(retrain).parameters) == ["pipeline", "incident_id", "fails"]
    assert (retrain.__name__, retrain.__doc__) == ("retrain", "The docstring of the flow.")
