"""Undo every fault of the drill, and end its load."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.actions.send_load import STOP_FILE
from chaos.lab import Lab

__all__ = ["undo_faults"]


def undo_faults(configuration: Mapping[str, Any], keep_load: bool = False) -> int:
    """Undo every outstanding lease, the latest first; return how many there were. The load ends, or goes on."""
    lab = Lab.of(configuration)
    if not keep_load:
        (lab.directory / STOP_FILE).touch()
    return leases.give_back_all(lab.leases)
