"""A flow run in Prefect joins the trace of the attempt whose idempotency key it has."""

import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow

from tasks.runtime import traces
from tasks.runtime.traces import attempt_context, observed, observed_task
from tests.collector import collecting, values

INCIDENT = "0b5e3c9a-7c1d-4f6e-9a39-0d3f0c6f8b11"
KEY = f"{INCIDENT}/1"


@task
@observed_task
def count(rows: int) -> int:
    return rows + 1


@flow(name="counting", persist_result=False)
@observed
def counting(pipeline: str, rows: int = 1) -> int:
    return count(rows)


@pytest.fixture
def collector(monkeypatch):
    monkeypatch.setattr(traces, "_exports", {})
    monkeypatch.delenv("TRACEPARENT", raising=False)
    with collecting() as started:
        monkeypatch.setenv("AUTOPILOT_TRACES_URL", started.url)
        yield started
        for export in traces._exports.values():
            export.close(2.0)


def run_with_key(key: str) -> FlowRun:
    """A run that Prefect knows by its idempotency key, as `run_deployment` makes it."""
    with get_client(sync_client=True) as client:
        body = {"flow_id": str(client.create_flow(counting)), "idempotency_key": key, "state": {"type": "PENDING"}}
        answer = client.request("POST", "/flow_runs/", json={**body, "parameters": {"pipeline": "flights"}})
        return FlowRun.model_validate(answer.json())


def test_a_run_with_the_key_of_an_attempt_is_below_it(collector):
    started = run_with_key(KEY)
    assert run_flow(counting, flow_run=started, parameters={"pipeline": "flights"}) == 2
    (run,), (step,) = collector.named("flow counting"), collector.named("task count")
    attempt = attempt_context(KEY)
    assert (int.from_bytes(run.trace_id), int.from_bytes(run.parent_span_id)) == (attempt.trace_id, attempt.span_id)
    assert step.parent_span_id == run.span_id
    assert values(run.attributes) == {
        "prefect.flow_run.id": str(started.id),
        "autopilot.idempotency_key": KEY,
        "autopilot.pipeline": "flights",
    }


def test_parameters_are_checked_as_without_traces(collector):
    assert counting("flights", rows="3") == 4  # by the types of the flow's own function
    with pytest.raises(TypeError):
        counting("flights", wrong=1)
