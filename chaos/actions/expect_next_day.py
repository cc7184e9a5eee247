"""Expect the day after the last one that was ingested: in a file with many days it is due at once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chaos import ledger
from chaos.actions.advance_clock import DUE_DAY
from chaos.lab import Lab
from chaos.record import remember, sample
from chaos.recovery import INDICATOR_BREACHED

__all__ = ["expect_next_day"]


def expect_next_day(configuration: Mapping[str, Any]) -> str:
    """Record and return that day; LookupError before anything was ingested."""
    lab = Lab.of(configuration)
    last = ledger.last_day(lab.ledger, lab.pipeline)
    if last is None:
        raise LookupError(f"expected ingested days of {lab.pipeline}, found none; run `autopilot bootstrap`")
    day = (last + timedelta(days=1)).isoformat()
    sample(lab.directory, INDICATOR_BREACHED, holds=False, value=day)
    remember(lab.directory, DUE_DAY, day)
    sample(lab.directory, INDICATOR_BREACHED, holds=True, value=day)
    return day
