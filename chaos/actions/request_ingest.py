"""Start an ingest run, as its schedule would."""

from collections.abc import Mapping
from typing import Any

from chaos.flow_run import start_run
from chaos.lab import Lab

__all__ = ["request_ingest"]


def request_ingest(deployment: str, configuration: Mapping[str, Any]) -> str:
    """Start a run of `deployment` (flow/deployment); return its id. httpx.HTTPStatusError when it is unknown."""
    return start_run(Lab.of(configuration), deployment)
