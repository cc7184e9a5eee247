"""Advance the clock of the source by a day, so that a batch becomes due."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import httpx

from chaos.lab import TIMEOUT_SECONDS, Lab
from chaos.record import remember, sample
from chaos.recovery import INDICATOR_BREACHED

__all__ = ["DUE_DAY", "advance_clock"]

DUE_DAY = "due_day"


def advance_clock(configuration: Mapping[str, Any]) -> str:
    """Move the feed's clock past the next day, through the mirror; return that day. Its batch is now due."""
    lab = Lab.of(configuration)
    with httpx.Client(base_url=lab.mirror, timeout=TIMEOUT_SECONDS, trust_env=False) as mirror:
        last = date.fromisoformat(mirror.get("/days").raise_for_status().json()["last"])
        day = (last + timedelta(days=1)).isoformat()
        sample(lab.directory, INDICATOR_BREACHED, holds=False, value=day)
        mirror.put("/clock", json={"day": day}).raise_for_status()
    remember(lab.directory, DUE_DAY, day)
    sample(lab.directory, INDICATOR_BREACHED, holds=True, value=day)
    return day
