"""The deployments are the documented ones, and each of them loads."""

import importlib
import inspect
import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from prefect.utilities.templating import apply_values

from chaos.rotation import WEEKLY
from gateway.reporting.events import EventSender
from healing.incident import Cause
from tasks.runtime.events import EventEvidence, EventName
from tasks.runtime.telemetry import OPT_OUTS

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "prefect.yaml").read_text())
DEPLOYMENTS = {deployment["name"]: deployment for deployment in CONFIG["deployments"]}
REPORTED = DEPLOYMENTS["heal"]["triggers"][0]


def flow_of(deployment) -> Flow:
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_there_are_eight_deployments():
    assert sorted(DEPLOYMENTS) == ["drill", "heal", "ingest", "maintain", "monitor", "release", "retrain", "rollback"]


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_every_entrypoint_is_a_flow_with_the_given_parameters(name):
    deployment = DEPLOYMENTS[name]
    flow = flow_of(deployment)
    assert isinstance(flow, Flow)
    assert flow.name == name
    assert set(deployment["parameters"]) <= set(inspect.signature(flow.fn).parameters)


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_every_deployment_has_a_concurrency_limit_and_its_schedules_a_time_zone(name):
    deployment = DEPLOYMENTS[name]
    assert deployment["work_pool"]["name"] == "autopilot"
    assert deployment["concurrency_limit"]["collision_strategy"] == "ENQUEUE"
    assert deployment["work_pool"]["job_variables"]["env"] == OPT_OUTS
    assert all(schedule["timezone"] == "America/New_York" for schedule in deployment.get("schedules", ()))


def test_every_deployment_gets_its_pipeline_from_the_environment(monkeypatch):
    """Filled in as `prefect deploy` does it."""
    monkeypatch.setenv("AUTOPILOT_PIPELINE", "orders")
    filled = apply_values(CONFIG, dict(os.environ), remove_notset=False)
    for deployment in filled["deployments"]:
        assert deployment["parameters"]["pipeline"] == "orders"
        for schedule in deployment.get("schedules", ()):
            assert schedule.get("parameters", {"pipeline": "orders"})["pipeline"] == "orders"
        for trigger in deployment.get("triggers", ()):
            assert trigger["parameters"]["pipeline"] == "orders"
    reported = next(d for d in filled["deployments"] if d["name"] == "heal")["triggers"][0]
    assert reported["match"] == {"prefect.resource.id": "autopilot.pipeline.orders"}


def test_the_weekly_drill_waits_for_a_person_who_calls_the_stack_staging():
    (schedule,) = DEPLOYMENTS["drill"]["schedules"]
    assert schedule["active"] is False
    assert schedule["parameters"]["name"] == WEEKLY


def test_heal_runs_every_five_minutes_without_events():
    (schedule,) = DEPLOYMENTS["heal"]["schedules"]
    assert (schedule["interval"], schedule["active"]) == (300, True)


def test_heal_is_triggered_only_by_events_that_the_code_emits():
    abort = importlib.import_module("gateway.routing.canary_abort")
    sent_by_gateway = inspect.getsource(EventSender) + inspect.getsource(abort)
    for name in REPORTED["expect"]:
        assert name in set(EventName) or name in sent_by_gateway


@pytest.mark.parametrize("payload", [{}, {"cause": "model_corrupt", "subject": 'a "quoted" name', "facts": {"n": 3}}])
async def test_the_trigger_renders_an_event_into_the_parameter_of_heal(payload):
    """Uses Prefect's own hydration, because a template that fails to render starts no run and logs no error."""
    received = ReceivedEvent(
        id=uuid.uuid4(),
        occurred=datetime.now(UTC),
        received=datetime.now(UTC),
        event="autopilot.gateway.problem",
        resource=Resource({"prefect.resource.id": "autopilot.pipeline.flights"}),
        payload=payload,
    )
    context = HydrationContext(render_jinja=True, raise_on_error=True, jinja_context={"event": received})
    rendered = hydrate(REPORTED["parameters"], context)
    event = EventEvidence.model_validate(json.loads(json.dumps(rendered["event"])))
    assert (event.id, event.name, event.payload) == (received.id, received.event, payload)
    if payload:
        evidence = event.evidence("flights")
        assert (evidence.cause, evidence.subject) == (Cause.MODEL_CORRUPT, payload["subject"])
