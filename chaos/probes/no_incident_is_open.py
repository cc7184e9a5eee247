"""No incident is open in the ledger."""

from collections.abc import Mapping
from typing import Any

from chaos import ledger
from chaos.lab import Lab

__all__ = ["no_incident_is_open"]


def no_incident_is_open(configuration: Mapping[str, Any]) -> bool:
    """Whether every incident of the pipeline has ended."""
    lab = Lab.of(configuration)
    return not ledger.unfinished(lab.ledger, lab.pipeline)
