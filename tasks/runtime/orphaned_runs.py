"""Orphaned flow runs: runs that Prefect believes to be alive although no process on this host carries them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import psutil
import structlog

from healing.errors import OrchestratorUnavailable
from tasks.runtime.prefect_http import PrefectAuthorization

log = structlog.get_logger(__name__)

RUN_ID_VARIABLE = "PREFECT__FLOW_RUN_ID"  # Prefect's runner sets it in the environment of every run's process
_UNFINISHED = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")  # a paused run waits in its process for a person
_PAGE = 200  # Prefect's limit for one filter request


def crash_orphaned_runs(api_url: str, work_pool: str = "autopilot", timeout_seconds: float = 10) -> list[str]:
    """Set the runs of `work_pool` that no process on this host carries to CRASHED, and return their ids.

    A killed worker leaves its runs PENDING, RUNNING or PAUSED. The first two keep their deployment's concurrency slot,
    so that the next run would wait for ever. A run is alive while a process has its id in the environment, also without
    its worker. Call this only if every worker of the pool runs on this host, after a worker died and before the next
    one starts, because a run that a worker has accepted and not yet started has no process either.
    """
    alive = _live_runs()
    crashed: list[str] = []
    try:
        with httpx.Client(
            base_url=api_url, timeout=timeout_seconds, trust_env=False, auth=PrefectAuthorization()
        ) as api:
            pool = {"work_pools": {"name": {"any_": [work_pool]}}}
            for run_id in _unfinished_runs(api, pool):
                if run_id not in alive:
                    _crash(api, run_id, "no process carries this run: its worker was killed")
                    crashed.append(run_id)
            if crashed:
                children = {"flow_runs": {"parent_flow_run_id": {"any_": crashed}}}
                for run_id in _unfinished_runs(api, children):
                    _crash(api, run_id, "its parent run was killed")
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect at {api_url} to answer, found {exc!r}") from exc
    if crashed:
        log.warning("orphaned_runs_crashed", work_pool=work_pool, runs=crashed)
    return crashed


def _live_runs() -> frozenset[str]:
    """Ids of the flow runs that processes of this host have in their environment."""
    found = set()
    for process in psutil.process_iter():
        try:
            run_id = process.environ().get(RUN_ID_VARIABLE)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # another user's process, or ended meanwhile: it carries no run of this pool
        if run_id is not None:
            found.add(str(UUID(run_id)))
    return frozenset(found)


def _unfinished_runs(api: httpx.Client, criteria: Mapping[str, Any]) -> list[str]:
    state = {"state": {"type": {"any_": list(_UNFINISHED)}}}
    flow_runs = {**criteria.get("flow_runs", {}), **state}
    response = api.post("/flow_runs/filter", json={**criteria, "flow_runs": flow_runs, "limit": _PAGE})
    response.raise_for_status()
    return [run["id"] for run in response.json()]


def _crash(api: httpx.Client, run_id: str, message: str) -> None:
    """Force the state, because orchestration rules refuse some changes. Forcing also releases the concurrency slot."""
    state = {"type": "CRASHED", "name": "Crashed", "message": message}
    api.post(f"/flow_runs/{run_id}/set_state", json={"state": state, "force": True}).raise_for_status()
