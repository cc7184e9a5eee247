"""The schedule of a Prefect deployment: whether it is active, when its runs are due, and which of them were started."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from healing.errors import OrchestratorUnavailable
from tasks.runtime.http_checks import http_client

_RUNS_MAX = 10  # of those that were due, and of those ahead
_WAITS_ITS_TURN = frozenset({"AwaitingConcurrencySlot", "AwaitingRetry"})  # a worker has taken these up


@dataclass(frozen=True, slots=True)
class DueRun:
    """One run of the deployment. `taken`: a worker has taken it up, or it has ended; a crashed one is not taken."""

    due: datetime
    taken: bool
    planned: bool  # by the schedule, not by a person or an event


@dataclass(frozen=True, slots=True)
class DeploymentSchedule:
    """The latest and the next runs, in the order of their due times."""

    active: bool
    runs: tuple[DueRun, ...] = ()


def read_schedule(prefect_api: str, deployment: str, pipeline: str, timeout_seconds: float) -> DeploymentSchedule:
    """The schedule of `flow/deployment`, inactive if Prefect has no such deployment for the pipeline.

    OrchestratorUnavailable if Prefect does not answer each of three requests in time.
    """
    try:
        response = http_client().get(f"{prefect_api}/deployments/name/{deployment}", timeout=timeout_seconds)
        if response.status_code == httpx.codes.NOT_FOUND:
            return DeploymentSchedule(active=False)
        found = response.raise_for_status().json()
        if not _is_active(found, pipeline):
            return DeploymentSchedule(active=False)
        now = datetime.now(UTC).isoformat()
        ahead = _runs(prefect_api, found["id"], {"after_": now}, "EXPECTED_START_TIME_ASC", timeout_seconds)
        past = _runs(prefect_api, found["id"], {"before_": now}, "EXPECTED_START_TIME_DESC", timeout_seconds)
        return DeploymentSchedule(active=True, runs=(*reversed(past), *ahead))
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to describe {deployment}, found {exc!r}") from exc


def set_paused(prefect_api: str, deployment: str, pipeline: str, *, paused: bool, timeout_seconds: float) -> bool:
    """Pause or continue the schedule of `flow/deployment`; whether that changed anything.

    OrchestratorUnavailable if Prefect does not answer each of two requests in time.
    """
    try:
        response = http_client().get(f"{prefect_api}/deployments/name/{deployment}", timeout=timeout_seconds)
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        found = response.raise_for_status().json()
        if found.get("paused") == paused or found.get("parameters", {}).get("pipeline") != pipeline:
            return False
        changed = http_client().patch(
            f"{prefect_api}/deployments/{found['id']}", json={"paused": paused}, timeout=timeout_seconds
        )
        changed.raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to change {deployment}, found {exc!r}") from exc
    return True


def _runs(prefect_api: str, deployment_id: str, due: dict[str, str], sort: str, timeout_seconds: float) -> list[DueRun]:
    wanted = {"deployments": {"id": {"any_": [deployment_id]}}, "flow_runs": {"expected_start_time": due}}
    answer = http_client().post(
        f"{prefect_api}/flow_runs/filter",
        json={**wanted, "sort": sort, "limit": _RUNS_MAX},
        timeout=timeout_seconds,
    )
    return [_due_run(run) for run in answer.raise_for_status().json()]


def _is_active(deployment: dict[str, Any], pipeline: str) -> bool:
    if deployment.get("paused") or deployment.get("parameters", {}).get("pipeline") != pipeline:
        return False
    return any(schedule.get("active") for schedule in deployment.get("schedules", ()))


def _due_run(run: dict[str, Any]) -> DueRun:
    scheduled = run["state_type"] == "SCHEDULED" and run["state_name"] not in _WAITS_ITS_TURN
    return DueRun(
        due=datetime.fromisoformat(run["expected_start_time"]),
        taken=not scheduled and run["state_type"] != "CRASHED",
        planned=bool(run.get("auto_scheduled")),
    )
