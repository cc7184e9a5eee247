"""Corrupt the champion's file on disk."""

import json
from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.faults.corrupted_file import CorruptedFile
from chaos.lab import Lab
from chaos.record import sample
from chaos.recovery import FAULT_ACTIVE

__all__ = ["corrupt_champion"]


def corrupt_champion(ttl_seconds: float, configuration: Mapping[str, Any]) -> str:
    """Flip bytes in the champion's model file; return the lease's id. A running worker notices at its next load."""
    lab = Lab.of(configuration)
    directory = lab.models / lab.champion()
    path = directory / json.loads((directory / "manifest.json").read_bytes())["model_file"]
    fault = CorruptedFile.prepare(path, lab.leases / f"{directory.name[:12]}.original")
    sample(lab.directory, FAULT_ACTIVE, holds=fault.active(), value=fault.title)
    return leases.take(lab.leases, fault, ttl_seconds=ttl_seconds).id
