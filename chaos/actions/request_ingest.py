"""Ask Prefect for an ingest run, as its schedule would."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab
from chaos.record import remember

INGEST_RUN = "ingest_run"


def request_ingest(deployment: str, configuration: Mapping[str, Any]) -> str:
    """Create a run of `deployment` (flow/deployment); return its id. httpx.HTTPStatusError when it is unknown."""
    lab = Lab.of(configuration)
    found = lab.prefect_get(f"/deployments/name/{deployment}")
    run = lab.prefect_post(
        f"/deployments/{found['id']}/create_flow_run", {"parameters": {"pipeline": lab.pipeline}, "name": "drill"}
    )
    remember(lab.directory, INGEST_RUN, run["id"])
    return str(run["id"])
