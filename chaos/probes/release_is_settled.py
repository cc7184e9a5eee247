"""The gateway serves what it should."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab


def release_is_settled(configuration: Mapping[str, Any]) -> bool:
    """Whether the desired release is the active one, without a trial under way and without a problem."""
    lab = Lab.of(configuration)
    lab.champion()
    state = lab.release_state()
    settled = state["desired_generation"] == state["active_generation"]
    return bool(settled and not state["problems"] and state["release"]["challenger"] is None)
