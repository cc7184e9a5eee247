"""The batch that became due is in the lake, and no incident is open."""

import time
from collections.abc import Mapping
from typing import Any

from chaos import ledger, prefect
from chaos.actions.advance_clock import DUE_DAY
from chaos.actions.request_ingest import INGEST_RUN
from chaos.controls.timings import START
from chaos.lab import Lab
from chaos.record import recall, sample
from chaos.recovery import INDICATOR_MET, SERVICE_RESTORED

__all__ = ["ACCEPTED", "POLL_SECONDS", "due_batch_is_in"]

POLL_SECONDS = 0.5
ACCEPTED = frozenset({"accepted", "repaired"})
UNSUCCESSFUL = frozenset({"FAILED", "CRASHED", "CANCELLED"})


def due_batch_is_in(deadline_seconds: float, configuration: Mapping[str, Any], by_any_run: bool = False) -> bool:
    """Whether every table's batch of the due day was accepted, the run completed and no incident is open.

    Gives up after `deadline_seconds`, or when the run has ended without success. With `by_any_run` the batch may come
    from a later run, which a remedy starts.
    """
    lab = Lab.of(configuration)
    day, run_id = recall(lab.directory, DUE_DAY), recall(lab.directory, INGEST_RUN)
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        run_state = prefect.call(lab.prefect, "GET", f"/flow_runs/{run_id}")["state"]["type"]
        batch_in = sample(lab.directory, INDICATOR_MET, holds=_accepted(lab, day), value=day)
        quiet = not ledger.unfinished(lab.ledger, lab.pipeline)
        restored = batch_in and quiet and (by_any_run or run_state == "COMPLETED")
        if sample(lab.directory, SERVICE_RESTORED, holds=restored, value=run_state):
            return True
        if run_state in UNSUCCESSFUL and not by_any_run:
            return False
        time.sleep(POLL_SECONDS)
    return False


def _accepted(lab: Lab, day: str) -> bool:
    """Whether the ledger recorded batches of `day` since the drill's start, and accepted all of them."""
    entries = ledger.read_after(lab.ledger, recall(lab.directory, START)["ledger_id"], lab.pipeline)
    statuses = [
        entry.detail["status"]
        for entry in entries
        if entry.kind == "batch.recorded" and entry.subject.endswith(f"/{day}")
    ]
    return bool(statuses) and all(status in ACCEPTED for status in statuses)
