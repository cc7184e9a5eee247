"""Whether the services of a stack are healthy, and the work pool that its worker needs."""

import atexit
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx

from healing.errors import OrchestratorUnavailable
from tasks.runtime.prefect_http import prefect_client
from tasks.runtime.trust import trusted

WORK_POOL = "autopilot"
CHECK_TIMEOUT = httpx.Timeout(5.0)
REQUEST_TIMEOUT = httpx.Timeout(10.0)  # for what has to succeed: a starting server on a busy machine answers slowly
POLL_AGE_SECONDS_MAX = 30.0  # the worker asks for work every 2 s; after an outage of Prefect up to 16 s apart


def answers(url: str) -> bool:
    """Whether `url` answers with a 2xx right now."""
    try:
        return _client().get(url).is_success
    except httpx.HTTPError:
        return False


def create_work_pool(prefect_api: str) -> None:
    """Create the work pool if it is missing; the worker adds the template of its type."""
    try:
        pool = {"name": WORK_POOL, "type": "process"}
        response = prefect_client().post(f"{prefect_api}/work_pools/", json=pool, timeout=REQUEST_TIMEOUT)
        if response.status_code != httpx.codes.CONFLICT:
            response.raise_for_status()
    except httpx.HTTPError as exc:
        raise OrchestratorUnavailable(f"expected Prefect at {prefect_api} to make a work pool, found {exc!r}") from exc


def worker_is_polling(prefect_api: str, worker_name: str) -> bool:
    """Whether `worker_name` is registered and its pool was asked for work lately.

    OrchestratorUnavailable when Prefect does not answer, which says nothing about the worker.
    """
    pool = f"{prefect_api}/work_pools/{WORK_POOL}"
    since = datetime.now(UTC) - timedelta(seconds=POLL_AGE_SECONDS_MAX)
    try:
        workers = _answer(f"{pool}/workers/filter", {"workers": {"status": {"any_": ["ONLINE"]}}, "limit": 200})
        queues = _answer(f"{pool}/queues/filter", {})
        polls = [datetime.fromisoformat(queue["last_polled"]) for queue in queues if queue["last_polled"]]
    except (httpx.HTTPError, ValueError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to list the workers of {pool}, found {exc!r}") from exc
    return any(worker["name"] == worker_name for worker in workers) and any(poll >= since for poll in polls)


def _answer(url: str, criteria: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects that Prefect's filter at `url` finds."""
    found: list[dict[str, Any]] = (
        prefect_client().post(url, json=criteria, timeout=CHECK_TIMEOUT).raise_for_status().json()
    )
    return found


@cache
def _client() -> httpx.Client:
    """One client for all checks: making one costs more processor time than a hundred checks."""
    client = httpx.Client(timeout=CHECK_TIMEOUT, trust_env=False, verify=trusted())
    atexit.register(client.close)
    return client
