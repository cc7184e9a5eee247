"""Another model is ready to answer."""

from collections.abc import Mapping
from typing import Any

from chaos.lab import Lab


def fallback_is_warm(configuration: Mapping[str, Any]) -> bool:
    """Whether one of the release's fallbacks has a ready worker; without one there is nothing to roll back to."""
    state = Lab.of(configuration).release_state()
    fallbacks = {model["digest"] for model in state["release"]["fallbacks"]}
    return any(worker["digest"] in fallbacks and worker["state"] == "ready" for worker in state["workers"])
