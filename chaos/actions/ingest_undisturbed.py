"""Ingest the due day elsewhere, without a fault, for a comparison."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from chaos import undisturbed
from chaos.actions.advance_clock import DUE_DAY
from chaos.lab import Lab
from chaos.record import recall

__all__ = ["ingest_undisturbed"]


def ingest_undisturbed(configuration: Mapping[str, Any]) -> str:
    """Ingest the due day into a lake below the drill's directory; return the day."""
    lab = Lab.of(configuration)
    day: str = recall(lab.directory, DUE_DAY)
    undisturbed.ingest_undisturbed(lab, date.fromisoformat(day))
    return day
