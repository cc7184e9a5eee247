"""End the load that runs in the background."""

from collections.abc import Mapping
from typing import Any

from chaos.actions.send_load import STOP_FILE
from chaos.lab import Lab


def stop_load(configuration: Mapping[str, Any]) -> None:
    """Tell the load to stop; what is in flight is still answered and counted."""
    (Lab.of(configuration).directory / STOP_FILE).touch()
