"""A prediction is answered by a model that is not a fallback."""

from collections.abc import Mapping
from typing import Any

import httpx

from chaos import golden_rows, http
from chaos.lab import Lab
from chaos.load import Request
from chaos.record import sample

__all__ = ["answered_in_full", "champion_answers"]

ANSWERED_IN_FULL = "answered_in_full"


def champion_answers(configuration: Mapping[str, Any]) -> bool:
    """Whether a golden row of the current champion gets a 200 that is not degraded."""
    lab = Lab.of(configuration)
    return answered_in_full(lab, golden_rows.golden_requests(lab, lab.champion())[0])


def answered_in_full(lab: Lab, request: Request) -> bool:
    """Whether `request` gets a 200 from a model that is not a fallback. Any other result is recorded."""
    problem = _ask(lab, request)
    return sample(lab.directory, ANSWERED_IN_FULL, holds=not problem, value=problem)


def _ask(lab: Lab, request: Request) -> str:
    """Why the answer to `request` is not full; empty when it is."""
    try:
        response = http.request(
            "POST",
            f"{lab.gateway}/invocations",
            content=request.content,
            headers={"content-type": "application/json"},
        )
    except httpx.HTTPError as exc:
        return repr(exc)
    if response.status_code != httpx.codes.OK:
        return f"{response.status_code}: {response.text[:200]}"
    degraded = response.headers.get("x-degraded", "").lower() == "true"
    return f"answered by the {response.headers.get('x-rung', '')}" if degraded else ""
