"""HTTP clients of a gateway that may have keys: they send the key of the control plane, and recognise a refusal."""

import ssl
from collections.abc import Generator

import httpx

from healing.errors import GatewayRefused
from tasks.config.settings import load_settings
from tasks.runtime.trust import trusted

_REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class _OperateKey(httpx.Auth):
    """Adds the operate key of the settings to each request, if there is one; a new key needs no restart."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        key = load_settings().gateway_key
        if key is not None:
            request.headers["x-api-key"] = key
        yield request


def operating_client(
    timeout: httpx.Timeout, base_url: str = "", trust: ssl.SSLContext | bool | None = None
) -> httpx.Client:
    """A client whose calls raise GatewayRefused for 401 and 403, which say nothing about gateway or model.

    `trust` are the authorities of a gateway with TLS, by default those of the environment.
    """
    return httpx.Client(
        base_url=base_url,
        timeout=timeout,
        trust_env=False,
        verify=trusted() if trust is None else trust,
        auth=_OperateKey(),
        event_hooks={"response": [_demand_accepted]},
    )


def _demand_accepted(response: httpx.Response) -> None:
    if response.status_code in _REFUSALS:
        response.read()
        raise GatewayRefused(
            f"expected {response.request.url} to accept the key of the control plane, found status "
            f"{response.status_code}: {response.text[:200]}; set AUTOPILOT_OPERATE_KEY to an operate key of the gateway"
        )
