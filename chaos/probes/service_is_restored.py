"""Predictions have been answered in full for a hold time."""

import time
from collections.abc import Mapping
from typing import Any

from chaos import golden_rows, ledger
from chaos.lab import Lab
from chaos.ledger import LedgerUnreadable
from chaos.probes.attempt_has_started import has_entry
from chaos.probes.champion_answers import answered_in_full
from chaos.record import sample
from chaos.recovery import SERVICE_RESTORED

__all__ = ["POLL_SECONDS", "service_is_restored"]

POLL_SECONDS = 0.25


def service_is_restored(
    hold_seconds: float,
    deadline_seconds: float,
    configuration: Mapping[str, Any],
    after_incident: bool = False,
) -> bool:
    """Whether every prediction was full and no incident open, for `hold_seconds`, within `deadline_seconds`.

    With `after_incident` it counts only once an incident was opened: some faults are noticed after many requests.
    """
    lab = Lab.of(configuration)
    request = golden_rows.kept_requests(lab)[0]
    start = time.monotonic()
    since: float | None = None
    noticed = not after_incident
    while (now := time.monotonic()) < start + deadline_seconds:
        noticed = noticed or has_entry(lab, "incident.opened")
        restored = answered_in_full(lab, request) and noticed and _is_quiet(lab)
        sample(lab.directory, SERVICE_RESTORED, holds=restored)
        since = (since or now) if restored else None
        if since is not None and now - since >= hold_seconds:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _is_quiet(lab: Lab) -> bool:
    """Whether the ledger can be read and has no open incident."""
    try:
        return not ledger.unfinished(lab.ledger, lab.pipeline)
    except LedgerUnreadable:
        return False
