"""A page as an artifact in Prefect, one per key, within a bounded time."""

import httpx
from prefect.settings import PREFECT_API_URL

from healing.errors import OrchestratorUnavailable
from tasks.runtime.prefect_http import prefect_client

TIMEOUT = httpx.Timeout(2.0, connect=1.0)  # seconds; the healer does nothing else meanwhile


def has_prefect() -> bool:
    """Whether this process knows the address of a Prefect API."""
    return bool(PREFECT_API_URL.value())


def publish_artifact(key: str, markdown: str, description: str) -> None:
    """Create the artifact, or update the one with this key. OrchestratorUnavailable if Prefect does not answer."""
    url = PREFECT_API_URL.value()
    if not url:
        raise OrchestratorUnavailable("expected the address of Prefect's API in PREFECT_API_URL, found none")
    document = {"data": markdown, "description": description}
    try:
        client = prefect_client()
        found = client.post(
            f"{url}/artifacts/latest/filter",
            json={"artifacts": {"key": {"any_": [key]}}, "limit": 1},
            timeout=TIMEOUT,
        )
        latest = found.raise_for_status().json()
        if latest:
            path, method, body = f"/artifacts/{latest[0]['latest_id']}", "PATCH", document
        else:
            path, method, body = "/artifacts/", "POST", {"key": key, "type": "markdown", **document}
        client.request(method, f"{url}{path}", json=body, timeout=TIMEOUT).raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to store artifact {key}, found {exc!r}") from exc
