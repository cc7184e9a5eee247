"""Fallbacks have ready workers."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.lab import Lab

__all__ = ["fallbacks_are_warm"]


def fallbacks_are_warm(fallbacks: int, configuration: Mapping[str, Any]) -> bool:
    """Whether so many of the release's fallbacks have a ready worker; without one there is nothing to roll back to.

    True after this drill injected a fault: the fallback may be the champion by then.
    """
    lab = Lab.of(configuration)
    if leases.read_all(lab.leases):
        return True
    state = lab.release_state()
    named = {model["digest"] for model in state["release"]["fallbacks"]}
    ready = {worker["digest"] for worker in state["workers"] if worker["state"] == "ready"}
    return len(named & ready) >= fallbacks
