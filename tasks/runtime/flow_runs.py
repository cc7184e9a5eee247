"""Flow runs in Prefect: starting one for a long remedy, asking how it goes, and declaring dead what died unseen."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx
import psutil
import structlog

from healing.errors import OrchestratorUnavailable

log = structlog.get_logger(__name__)

RUN_ID_VARIABLE = "PREFECT__FLOW_RUN_ID"  # set by Prefect's runner in the environment of every run's process
_UNENDED = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")  # a paused run waits in its process for a person
_PAGE = 200  # Prefect's own limit for one answer of a filter


class RunState(StrEnum):
    """How a flow run stands, as far as a remedy cares."""

    GOING = "going"  # scheduled, pending, running or paused
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"  # its process died; the work may be done again
    MISSING = "missing"  # Prefect does not know it


_STATES: Mapping[str, RunState] = {
    "COMPLETED": RunState.COMPLETED,
    "FAILED": RunState.FAILED,
    "CRASHED": RunState.CRASHED,
    "CANCELLED": RunState.CRASHED,
}


def start_run(deployment: str, parameters: Mapping[str, Any], idempotency_key: str) -> str:
    """Id of a flow run of `flow/deployment`; the same key gives the same run. It runs on its own, not as a subflow."""
    from prefect.client.schemas.objects import FlowRun
    from prefect.deployments import run_deployment
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        run = run_deployment(
            deployment,
            parameters=dict(parameters),
            timeout=0,
            idempotency_key=idempotency_key,
            as_subflow=False,
        )
    except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to start {deployment}, found {exc!r}") from exc
    assert isinstance(run, FlowRun)  # a coroutine only where an event loop is running, and flows here are synchronous
    return str(run.id)


def run_state(flow_run_id: str) -> RunState:
    """How the run stands; OrchestratorUnavailable when Prefect does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run_id)).state
    except ObjectNotFound:
        return RunState.MISSING
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect to know run {flow_run_id}, found {exc!r}") from exc
    return RunState.MISSING if state is None else _STATES.get(state.type.value, RunState.GOING)


def crash_orphaned_runs(api_url: str, work_pool: str = "autopilot", timeout_seconds: float = 10) -> list[str]:
    """Ids of the runs of `work_pool` that were declared CRASHED because no process on this host carries them.

    A worker that is killed leaves its runs PENDING, RUNNING or PAUSED; the first two keep their deployment's
    concurrency slot, so that the next run waits for ever. A run is alive while some process has its id in the
    environment, also when the worker above it is gone. Call it only where every worker of the pool runs on this host,
    after a worker died and before the next one starts: a run that a worker has taken and not yet started has no process
    either.
    """
    alive = _carried_runs()
    crashed: list[str] = []
    try:
        with httpx.Client(base_url=api_url, timeout=timeout_seconds, trust_env=False) as api:
            pool = {"work_pools": {"name": {"any_": [work_pool]}}}
            for run_id in _unended(api, pool):
                if run_id not in alive:
                    _crash(api, run_id, "no process carries this run: its worker was killed")
                    crashed.append(run_id)
            if crashed:
                children = {"flow_runs": {"parent_flow_run_id": {"any_": crashed}}}
                for run_id in _unended(api, children):
                    _crash(api, run_id, "the run above it was killed")
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect at {api_url} to answer, found {exc!r}") from exc
    if crashed:
        log.warning("orphaned_runs_crashed", work_pool=work_pool, runs=crashed)
    return crashed


def _carried_runs() -> frozenset[str]:
    """Ids of flow runs that some process of this host carries in its environment."""
    found = set()
    for process in psutil.process_iter():
        try:
            run_id = process.environ().get(RUN_ID_VARIABLE)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # not ours, or gone meanwhile: either way it carries no run of this pool
        if run_id is not None:
            found.add(str(UUID(run_id)))
    return frozenset(found)


def _unended(api: httpx.Client, criteria: Mapping[str, Any]) -> list[str]:
    state = {"state": {"type": {"any_": list(_UNENDED)}}}
    flow_runs = {**criteria.get("flow_runs", {}), **state}
    response = api.post("/flow_runs/filter", json={**criteria, "flow_runs": flow_runs, "limit": _PAGE})
    response.raise_for_status()
    return [run["id"] for run in response.json()]


def _crash(api: httpx.Client, run_id: str, message: str) -> None:
    """Force the state: the orchestration rules would refuse some changes, and forcing still releases the slot."""
    state = {"type": "CRASHED", "name": "Crashed", "message": message}
    api.post(f"/flow_runs/{run_id}/set_state", json={"state": state, "force": True}).raise_for_status()
