"""Predictions have been answered in full for a hold time."""

import time
from collections.abc import Mapping
from typing import Any

from chaos import golden_rows, ledger
from chaos.actions.collect_reference_answers import CHAMPION
from chaos.lab import Lab
from chaos.probes.champion_answers import answered_in_full
from chaos.record import recall, sample
from chaos.recovery import SERVICE_RESTORED

__all__ = ["POLL_SECONDS", "service_is_restored"]

POLL_SECONDS = 0.25


def service_is_restored(hold_seconds: float, deadline_seconds: float, configuration: Mapping[str, Any]) -> bool:
    """Whether every prediction was full and no incident open, for `hold_seconds`, within `deadline_seconds`."""
    lab = Lab.of(configuration)
    request = golden_rows.golden_requests(lab, recall(lab.directory, CHAMPION))[0]
    start = time.monotonic()
    since: float | None = None
    while (now := time.monotonic()) < start + deadline_seconds:
        restored = answered_in_full(lab, request) and not ledger.unfinished(lab.ledger, lab.pipeline)
        sample(lab.directory, SERVICE_RESTORED, holds=restored)
        since = (since or now) if restored else None
        if since is not None and now - since >= hold_seconds:
            return True
        time.sleep(POLL_SECONDS)
    return False
