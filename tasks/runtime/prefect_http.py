"""Requests to Prefect's API with a bounded time, and with the credentials of Prefect's own settings.

Prefect's own client repeats a request for longer than the healer can wait.
"""

import atexit
import base64
from collections.abc import Generator
from functools import cache

import httpx


class PrefectAuthorization(httpx.Auth):
    """The header of a Prefect Cloud key, or of the user and password of a server; none without either."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        header = authorization()
        if header is not None:
            request.headers["Authorization"] = header
        yield request


@cache
def prefect_client() -> httpx.Client:
    """One client for all requests to Prefect: making one costs more processor time than a hundred requests."""
    client = httpx.Client(trust_env=False, auth=PrefectAuthorization())
    atexit.register(client.close)
    return client


def authorization() -> str | None:
    """The value of the header `Authorization`; a secret."""
    from prefect.settings import get_current_settings

    api = get_current_settings().api
    if api.key is not None:
        return f"Bearer {api.key.get_secret_value()}"
    if api.auth_string is not None:
        return f"Basic {base64.b64encode(api.auth_string.get_secret_value().encode()).decode()}"
    return None
