"""End the load in the background."""

from collections.abc import Mapping
from typing import Any

from chaos.actions.send_load import STOP_FILE
from chaos.lab import Lab

__all__ = ["stop_load"]


def stop_load(configuration: Mapping[str, Any]) -> None:
    """Stop the load; requests in flight are still answered and counted."""
    (Lab.of(configuration).directory / STOP_FILE).touch()
