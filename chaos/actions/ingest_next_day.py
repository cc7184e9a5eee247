"""Ingest one more day, so that a retrain has a plan that nothing was trained on."""

import time
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from chaos import http, ledger
from chaos.flow_run import run_state, start_run
from chaos.lab import Lab

__all__ = ["ingest_next_day"]

PREPARING_RUN = "preparing_run"
POLL_SECONDS = 0.5
UNFINISHED = frozenset({"SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"})


def ingest_next_day(deadline_seconds: float, configuration: Mapping[str, Any]) -> str:
    """Ingest the day after the last one; return it. RuntimeError when the run does not complete in time."""
    lab = Lab.of(configuration)
    last = ledger.last_day(lab.ledger, lab.pipeline)
    if last is None:
        raise LookupError(f"expected ingested days of {lab.pipeline}, found none; run `autopilot bootstrap`")
    day = last + timedelta(days=1)
    _make_due(lab, day)
    start_run(lab, "ingest/ingest", PREPARING_RUN, {"until": day.isoformat()})
    deadline = time.monotonic() + deadline_seconds
    while (state := run_state(lab, PREPARING_RUN)) in UNFINISHED and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if state != "COMPLETED":
        raise RuntimeError(f"expected the ingest of {day} to complete within {deadline_seconds:g} s, found {state}")
    return day.isoformat()


def _make_due(lab: Lab, day: date) -> None:
    """Advance the feed's clock if it is behind."""
    last = date.fromisoformat(http.get(f"{lab.mirror}/days").raise_for_status().json()["last"])
    if last < day:
        http.request("PUT", f"{lab.mirror}/clock", json={"day": day.isoformat()}).raise_for_status()
