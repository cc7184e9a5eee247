"""Create an ingest run in Prefect, as its schedule would."""

from collections.abc import Mapping
from typing import Any

from chaos import prefect
from chaos.lab import Lab
from chaos.record import remember

__all__ = ["INGEST_RUN", "request_ingest"]

INGEST_RUN = "ingest_run"


def request_ingest(deployment: str, configuration: Mapping[str, Any]) -> str:
    """Create a run of `deployment` (flow/deployment); return its id. httpx.HTTPStatusError when it is unknown."""
    lab = Lab.of(configuration)
    found = prefect.call(lab.prefect, "GET", f"/deployments/name/{deployment}")
    wanted = {"parameters": {"pipeline": lab.pipeline}, "name": "drill", "idempotency_key": lab.directory.as_posix()}
    run = prefect.call(lab.prefect, "POST", f"/deployments/{found['id']}/create_flow_run", wanted)
    remember(lab.directory, INGEST_RUN, run["id"])
    return str(run["id"])
