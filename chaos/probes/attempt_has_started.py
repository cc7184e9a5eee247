"""The ledger says that a remedy has started, or that another step was reached."""

import time
from collections.abc import Mapping
from typing import Any

from chaos.controls.timings import START
from chaos.lab import Lab
from chaos.ledger import LedgerUnreadable
from chaos.record import recall

__all__ = ["POLL_SECONDS", "attempt_has_started", "has_entry"]

POLL_SECONDS = 0.05


def attempt_has_started(
    deadline_seconds: float, configuration: Mapping[str, Any], kind: str = "attempt.started"
) -> bool:
    """Whether the ledger has an entry of `kind` since the drill began, within `deadline_seconds`."""
    lab = Lab.of(configuration)
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        if has_entry(lab, kind):
            return True
        time.sleep(POLL_SECONDS)
    return False


def has_entry(lab: Lab, kind: str) -> bool:
    """Whether the ledger can be read and has an entry of this kind since the drill began."""
    try:
        entries = lab.journal_after(recall(lab.directory, START)["ledger_id"])
    except LedgerUnreadable:  # the ledger is away, which may be part of the drill
        return False
    return any(entry.kind == kind for entry in entries)
