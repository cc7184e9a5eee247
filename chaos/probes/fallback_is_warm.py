"""A fallback has a ready worker."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.lab import Lab

__all__ = ["fallback_is_warm"]


def fallback_is_warm(configuration: Mapping[str, Any]) -> bool:
    """Whether one of the release's fallbacks has a ready worker; without one there is nothing to roll back to.

    True after this drill injected a fault: the fallback may be the champion by then.
    """
    lab = Lab.of(configuration)
    if leases.read_all(lab.leases):
        return True
    state = lab.release_state()
    fallbacks = {model["digest"] for model in state["release"]["fallbacks"]}
    return any(worker["digest"] in fallbacks and worker["state"] == "ready" for worker in state["workers"])
