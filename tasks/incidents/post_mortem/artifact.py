"""A page as an artifact in Prefect, one per key, within a bounded time.

Prefect's client repeats a request for longer than the healer can wait, so the requests are made here.
"""

import atexit
import base64
from collections.abc import Mapping
from functools import cache

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from healing.errors import OrchestratorUnavailable

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
        client = _client()
        found = client.post(
            f"{url}/artifacts/latest/filter",
            json={"artifacts": {"key": {"any_": [key]}}, "limit": 1},
            headers=_authorization(),
        )
        latest = found.raise_for_status().json()
        if latest:
            path, method, body = f"/artifacts/{latest[0]['latest_id']}", "PATCH", document
        else:
            path, method, body = "/artifacts/", "POST", {"key": key, "type": "markdown", **document}
        client.request(method, f"{url}{path}", json=body, headers=_authorization()).raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        raise OrchestratorUnavailable(f"expected Prefect to store artifact {key}, found {exc!r}") from exc


@cache
def _client() -> httpx.Client:
    """One client per process: making one costs more processor time than a page."""
    client = httpx.Client(timeout=TIMEOUT, trust_env=False)
    atexit.register(client.close)
    return client


def _authorization() -> Mapping[str, str]:
    """The header of a Prefect Cloud key, or of the user and password of a server."""
    key, user = PREFECT_API_KEY.value(), PREFECT_API_AUTH_STRING.value()
    if key is not None:
        return {"Authorization": f"Bearer {key.get_secret_value()}"}
    if user is not None:
        return {"Authorization": f"Basic {base64.b64encode(user.get_secret_value().encode()).decode()}"}
    return {}
