"""People were notified of an incident."""

import time
from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab
from chaos.probes.attempt_has_started import has_entry
from chaos.recovery import ESCALATED

__all__ = ["POLL_SECONDS", "incident_is_escalated"]

POLL_SECONDS = 0.5


def incident_is_escalated(deadline_seconds: float, configuration: Mapping[str, Any]) -> bool:
    """Whether the ledger records an escalation since the drill began, within `deadline_seconds`."""
    lab = Lab.of(configuration)
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        if has_entry(lab, ESCALATED):
            return True
        time.sleep(POLL_SECONDS)
    return False
