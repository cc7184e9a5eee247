"""HTTP calls of a drill: a timeout, no proxy of the environment, and the credentials of the active target."""

from typing import Any

import httpx

from chaos.staging.credentials import authorization
from chaos.trust import tls_context

__all__ = ["TIMEOUT_SECONDS", "get", "post", "request"]

TIMEOUT_SECONDS = 5.0


def request(method: str, url: str, *, timeout: float = TIMEOUT_SECONDS, **content: Any) -> httpx.Response:
    """The response to one request; httpx.HTTPError when none comes. `content` is as for `httpx.request`."""
    headers = {**authorization(url), **content.pop("headers", {})}
    options: dict[str, Any] = {"timeout": timeout, "trust_env": False, "verify": tls_context()}
    return httpx.request(method, url, headers=headers, **options, **content)


def get(url: str, *, timeout: float = TIMEOUT_SECONDS) -> httpx.Response:
    """As `request`."""
    return request("GET", url, timeout=timeout)


def post(url: str, document: Any) -> httpx.Response:
    """As `request`, with a document of JSON."""
    return request("POST", url, json=document)
