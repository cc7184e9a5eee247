"""A prediction is answered in full."""

from collections.abc import Mapping
from typing import Any

import httpx

from chaos import oracle
from chaos.lab import TIMEOUT_SECONDS, Lab
from chaos.load import Body


def champion_answers(configuration: Mapping[str, Any]) -> bool:
    """Whether a golden row of the current champion gets a 200 that is not degraded."""
    lab = Lab.of(configuration)
    return answered_in_full(lab, oracle.rows_of(lab, lab.champion())[0])


def answered_in_full(lab: Lab, body: Body) -> bool:
    """Whether `body` gets a 200 from a model that is not a fallback."""
    try:
        response = httpx.post(
            f"{lab.gateway}/invocations",
            content=body.content,
            headers={"content-type": "application/json"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
    except httpx.HTTPError:
        return False
    return response.status_code == httpx.codes.OK and response.headers.get("x-degraded", "").lower() != "true"
