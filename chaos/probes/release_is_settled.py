"""The gateway serves the newest release."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab

__all__ = ["release_is_settled"]


def release_is_settled(configuration: Mapping[str, Any]) -> bool:
    """Whether the desired release is the active one, with no trial and no problem."""
    lab = Lab.of(configuration)
    lab.champion()
    state = lab.release_state()
    settled = state["desired_generation"] == state["active_generation"]
    return bool(settled and not state["problems"] and state["release"]["challenger"] is None)
