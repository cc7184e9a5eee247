"""Calls of Prefect's HTTP API, with retries while it is busy: on SQLite it answers 503 when writers queue."""

from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from chaos import http

__all__ = ["call"]

TIMEOUT_SECONDS = 20.0  # it shares two cores with the flows of the drill
ATTEMPTS_MAX = 8
SECONDS_MAX = 60.0


def call(api: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The JSON answer of one request, or None; httpx.HTTPError when every attempt failed.

    Every call may be repeated: it reads, sets a state, or has an idempotency key.
    """
    for attempt in stamina.retry_context(on=_is_busy, attempts=ATTEMPTS_MAX, timeout=SECONDS_MAX):
        with attempt:
            response = http.request(
                method, f"{api}{path}", json=None if body is None else dict(body), timeout=TIMEOUT_SECONDS
            ).raise_for_status()
    return response.json() if response.content else None


def _is_busy(exc: Exception) -> bool:
    if isinstance(exc, httpx.HTTPStatusError):
        return exc.response.is_server_error
    return isinstance(exc, httpx.TransportError)
