"""Flow runs in Prefect: start a run of a deployment, and read its state."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

import httpx

from healing.errors import OrchestratorUnavailable
from tasks.runtime.local_runs import PREFIX as LOCAL_PREFIX
from tasks.runtime.local_runs import cancel_local_run, local_run_is_active, local_run_result


class RunState(StrEnum):
    """State of a flow run, reduced to what matters to a remedy."""

    ACTIVE = "active"  # scheduled, pending, running or paused
    COMPLETED = "completed"
    FAILED = "failed"
    CRASHED = "crashed"  # its process died; the work can be done again
    CANCELLED = "cancelled"  # a person or a remedy stopped it
    MISSING = "missing"  # Prefect has no such run


_STATES: Mapping[str, RunState] = {
    "COMPLETED": RunState.COMPLETED,
    "FAILED": RunState.FAILED,
    "CRASHED": RunState.CRASHED,
    "CANCELLED": RunState.CANCELLED,
}


def start_run(deployment: str, parameters: Mapping[str, Any], idempotency_key: str) -> str:
    """Start a run of `flow/deployment`, not as a subflow, and return its id. The same key returns the same run.

    OrchestratorUnavailable if Prefect does not answer or has no such deployment.
    """
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
    assert isinstance(run, FlowRun)  # it is a coroutine only inside an event loop, and the callers are synchronous
    return str(run.id)


def run_state(flow_run_id: str) -> RunState:
    """The state of the run, also of a local one; OrchestratorUnavailable if Prefect does not answer."""
    if flow_run_id.startswith(LOCAL_PREFIX):
        return _local_state(flow_run_id)
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run_id)).state
    except ObjectNotFound:
        return RunState.MISSING
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect to know run {flow_run_id}, found {exc!r}") from exc
    return RunState.MISSING if state is None else _STATES.get(state.type.value, RunState.ACTIVE)


def _local_state(run_id: str) -> RunState:
    if local_run_is_active(run_id):
        return RunState.ACTIVE
    result = local_run_result(run_id)
    return RunState.CRASHED if result is None else RunState(result)


def cancel_run(flow_run_id: str) -> None:
    """Stop the run. OrchestratorUnavailable if Prefect does not answer."""
    if flow_run_id.startswith(LOCAL_PREFIX):
        cancel_local_run(flow_run_id)
        return
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Cancelling

    try:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(flow_run_id), Cancelling(), force=True)
    except ObjectNotFound:
        return
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect to cancel run {flow_run_id}, found {exc!r}") from exc
