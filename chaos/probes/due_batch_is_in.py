"""The batch that became due is in the lake, and no incident is open."""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any

from chaos import ledger
from chaos.actions.advance_clock import DUE_DAY
from chaos.controls.timings import START
from chaos.flow_run import run_state
from chaos.lab import Lab
from chaos.record import recall, sample
from chaos.recovery import INDICATOR_MET, SERVICE_RESTORED
from chaos.undisturbed import differences

__all__ = ["ACCEPTED", "POLL_SECONDS", "due_batch_is_in"]

POLL_SECONDS = 0.5
ACCEPTED = frozenset({"accepted", "repaired"})
PARTLY = frozenset({"quarantined"})  # some rows were set aside, the others are in
UNSUCCESSFUL = frozenset({"FAILED", "CRASHED", "CANCELLED"})


def due_batch_is_in(
    deadline_seconds: float, configuration: Mapping[str, Any], by_any_run: bool = False, partly: bool = False
) -> bool:
    """Whether every table's batch of the due day was accepted, the run completed and no incident is open.

    Gives up after `deadline_seconds`, or when the run has ended without success. With `by_any_run` the batch may come
    from a later run, which a remedy starts. With `partly` it may lack the rows that ingestion set aside. After
    `ingest_undisturbed`, all tables must have the rows of that ingest.
    """
    lab = Lab.of(configuration)
    day = recall(lab.directory, DUE_DAY)
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        state = run_state(lab)
        accepted = _accepted(lab, day, ACCEPTED | PARTLY if partly else ACCEPTED)
        wrong = differences(lab, date.fromisoformat(day)) if accepted else []
        batch_in = sample(lab.directory, INDICATOR_MET, holds=accepted and not wrong, value="; ".join([day, *wrong]))
        quiet = not ledger.unfinished(lab.ledger, lab.pipeline)
        restored = batch_in and quiet and (by_any_run or state == "COMPLETED")
        if sample(lab.directory, SERVICE_RESTORED, holds=restored, value=state):
            return True
        if state in UNSUCCESSFUL and not by_any_run:
            return False
        time.sleep(POLL_SECONDS)
    return False


def _accepted(lab: Lab, day: str, accepted: frozenset[str]) -> bool:
    """Whether the ledger recorded batches of `day` since the drill's start, the last of each table as `accepted`."""
    entries = lab.journal_after(recall(lab.directory, START)["ledger_id"])
    statuses = {
        entry.subject: entry.detail["status"]
        for entry in entries
        if entry.kind == "batch.recorded" and entry.subject.endswith(f"/{day}")
    }
    return bool(statuses) and all(status in accepted for status in statuses.values())
