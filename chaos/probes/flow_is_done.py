"""The retrain or release that the drill started has done its work, exactly once, and the gateway serves the result."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from chaos import ledger, release_documents
from chaos.actions.request_flow import FLOW_START
from chaos.controls.timings import START
from chaos.flow_work import MISSING_WORK, missing_work
from chaos.lab import Lab
from chaos.ledger import LedgerUnreadable
from chaos.record import recall, remember, sample
from chaos.recovery import INDICATOR_MET, SERVICE_RESTORED
from chaos.spec import FlowEnd

__all__ = ["POLL_SECONDS", "flow_is_done"]

POLL_SECONDS = 1.0


def flow_is_done(
    ends: str,
    hold_seconds: float,
    deadline_seconds: float,
    configuration: Mapping[str, Any],
    beside_batch: bool = False,
) -> bool:
    """Whether the work ended as `ends` says within `deadline_seconds`, and nothing more was done for `hold_seconds`.

    What is missing at the end is recorded for the verdict. With `beside_batch` the drill's indicator is a batch, and
    its times are those of the batch.
    """
    lab = Lab.of(configuration)
    deadline = time.monotonic() + deadline_seconds
    whole_since: float | None = None
    while True:
        undone = _missing(lab, FlowEnd(ends))
        missing = undone or _unsettled(lab)
        if not beside_batch:
            sample(lab.directory, INDICATOR_MET, holds=not undone, value="; ".join(undone))
            sample(lab.directory, SERVICE_RESTORED, holds=not missing, value="; ".join(missing))
        now = time.monotonic()
        whole_since = None if missing else whole_since or now
        if now >= deadline or (whole_since is not None and now - whole_since >= hold_seconds):
            break
        time.sleep(POLL_SECONDS)
    remember(lab.directory, MISSING_WORK, missing)
    return not missing


def _missing(lab: Lab, ends: FlowEnd) -> list[str]:
    started = recall(lab.directory, FLOW_START)
    try:
        entries = lab.journal_after(recall(lab.directory, START)["ledger_id"])
    except LedgerUnreadable as exc:
        return [str(exc)]
    releases = release_documents.after(lab.models.parent, started["generation"])
    return missing_work(started["flow"], ends, entries, releases)


def _unsettled(lab: Lab) -> list[str]:
    """What keeps service from being whole: open incidents, and a gateway that does not serve the newest release."""
    found = [f"incident {cause} is open" for cause in ledger.unfinished(lab.ledger, lab.pipeline)]
    try:
        state = lab.release_state()
    except httpx.HTTPError as exc:
        return [*found, f"the gateway does not answer: {exc!r}"]
    if state["problems"] or state["active_generation"] != state["desired_generation"]:
        found.append("the gateway does not serve the newest release")
    return found
