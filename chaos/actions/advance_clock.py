"""Advance the clock of the source by a day, so that a batch becomes due."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from chaos import http
from chaos.lab import Lab
from chaos.record import remember, sample
from chaos.recovery import INDICATOR_BREACHED

__all__ = ["DUE_DAY", "advance_clock"]

DUE_DAY = "due_day"


def advance_clock(configuration: Mapping[str, Any]) -> str:
    """Move the feed's clock past the next day, through the mirror; return that day. Its batch is now due."""
    lab = Lab.of(configuration)
    last = date.fromisoformat(http.get(f"{lab.mirror}/days").raise_for_status().json()["last"])
    day = (last + timedelta(days=1)).isoformat()
    sample(lab.directory, INDICATOR_BREACHED, holds=False, value=day)
    http.request("PUT", f"{lab.mirror}/clock", json={"day": day}).raise_for_status()
    remember(lab.directory, DUE_DAY, day)
    sample(lab.directory, INDICATOR_BREACHED, holds=True, value=day)
    return day
