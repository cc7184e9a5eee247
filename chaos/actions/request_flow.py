"""Start the retrain or release that the drill disturbs."""

from collections.abc import Mapping
from typing import Any

from chaos import release_documents
from chaos.faults.candidate import publish
from chaos.flow_run import FLOW_RUN, start_run
from chaos.lab import Lab
from chaos.record import remember, sample
from chaos.recovery import INDICATOR_BREACHED

__all__ = ["FLOW_START", "request_flow"]

FLOW_START = "flow_start"


def request_flow(
    flow: str,
    configuration: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    candidate: str = "",
) -> str:
    """Start a run of `flow`; return its id. With `candidate`, that variant of the champion is published and released.

    From now on its work is missing. httpx.HTTPStatusError when Prefect has no such deployment.
    """
    lab = Lab.of(configuration)
    given = dict(parameters or {})
    if candidate:
        given["digest"] = publish(lab, candidate).digest
    newest = release_documents.newest(lab.models.parent)["generation"]
    remember(lab.directory, FLOW_START, {"flow": flow, "generation": newest})
    sample(lab.directory, INDICATOR_BREACHED, holds=False, value=flow)
    run = start_run(lab, f"{flow}/{flow}", FLOW_RUN, given)
    sample(lab.directory, INDICATOR_BREACHED, holds=True, value=flow)
    return run
