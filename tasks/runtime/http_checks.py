"""Short checks of local HTTP services, with one client per process."""

import atexit
from functools import cache

import httpx


@cache
def http_client() -> httpx.Client:
    """One client for all requests: making one costs more processor time than a hundred requests."""
    client = httpx.Client(trust_env=False)
    atexit.register(client.close)
    return client


def failure_of(url: str, timeout_seconds: float) -> str | None:
    """Why `url` does not answer with a 2xx within the time; None if it does."""
    try:
        response = http_client().get(url, timeout=timeout_seconds)
    except httpx.HTTPError as exc:
        return f"{type(exc).__name__} {exc}".strip()
    return None if response.is_success else f"status {response.status_code}"
