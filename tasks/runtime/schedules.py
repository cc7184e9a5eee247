"""The schedule of a Prefect deployment: whether it is active, when runs are due, and whether anybody starts them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from healing.errors import OrchestratorUnavailable
from tasks.runtime.prefect_http import prefect_client

# A worker of `autopilot up` asks every 2 s, and up to 16 s apart after an outage of Prefect.
POLL_AGE_MAX = timedelta(seconds=20)
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
    """The latest and the next runs, in the order of their due times, and when a worker last asked for any."""

    active: bool
    runs: tuple[DueRun, ...] = ()
    last_polled: datetime | None = None  # None: not known

    @property
    def has_worker(self) -> bool:
        """Whether a worker asks for runs, as far as is known."""
        return self.last_polled is None or datetime.now(UTC) - self.last_polled <= POLL_AGE_MAX


def read_schedule(prefect_api: str, deployment: str, pipeline: str, timeout_seconds: float) -> DeploymentSchedule:
    """The schedule of `flow/deployment`, inactive if Prefect has no such deployment for the pipeline.

    OrchestratorUnavailable if Prefect does not answer each of three requests in time.
    """
    try:
        response = prefect_client().get(f"{prefect_api}/deployments/name/{deployment}", timeout=timeout_seconds)
        if response.status_code == httpx.codes.NOT_FOUND:
            return DeploymentSchedule(active=False)
        found = response.raise_for_status().json()
        if not _is_active(found, pipeline):
            return DeploymentSchedule(active=False)
        now = datetime.now(UTC).isoformat()
        ahead = _runs(prefect_api, found["id"], {"after_": now}, "EXPECTED_START_TIME_ASC", timeout_seconds)
        past = _runs(prefect_api, found["id"], {"before_": now}, "EXPECTED_START_TIME_DESC", timeout_seconds)
        return DeploymentSchedule(active=True, runs=(*reversed(past), *ahead), last_polled=_last_polled(found))
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to describe {deployment}, found {exc!r}") from exc


def has_worker(prefect_api: str, deployment: str, timeout_seconds: float) -> bool:
    """Whether a worker asks for runs of `flow/deployment`, as far as Prefect knows; True if it does not answer."""
    try:
        response = prefect_client().get(f"{prefect_api}/deployments/name/{deployment}", timeout=timeout_seconds)
        return DeploymentSchedule(active=True, last_polled=_last_polled(response.raise_for_status().json())).has_worker
    except (httpx.HTTPError, ValueError):
        return True


def set_paused(prefect_api: str, deployment: str, pipeline: str, *, paused: bool, timeout_seconds: float) -> bool:
    """Pause or continue the schedule of `flow/deployment`; whether that changed anything.

    OrchestratorUnavailable if Prefect does not answer each of two requests in time.
    """
    try:
        response = prefect_client().get(f"{prefect_api}/deployments/name/{deployment}", timeout=timeout_seconds)
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        found = response.raise_for_status().json()
        if found.get("paused") == paused or found.get("parameters", {}).get("pipeline") != pipeline:
            return False
        changed = prefect_client().patch(
            f"{prefect_api}/deployments/{found['id']}", json={"paused": paused}, timeout=timeout_seconds
        )
        changed.raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to change {deployment}, found {exc!r}") from exc
    return True


def _runs(prefect_api: str, deployment_id: str, due: dict[str, str], sort: str, timeout_seconds: float) -> list[DueRun]:
    wanted = {"deployments": {"id": {"any_": [deployment_id]}}, "flow_runs": {"expected_start_time": due}}
    answer = prefect_client().post(
        f"{prefect_api}/flow_runs/filter",
        json={**wanted, "sort": sort, "limit": _RUNS_MAX},
        timeout=timeout_seconds,
    )
    return [_due_run(run) for run in answer.raise_for_status().json()]


def _last_polled(deployment: dict[str, Any]) -> datetime | None:
    found = deployment.get("last_polled")
    return None if found is None else datetime.fromisoformat(found)


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
