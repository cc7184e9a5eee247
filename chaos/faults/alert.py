"""A dead channel for messages to people: it refuses connections, or takes messages and never answers."""

from collections.abc import Mapping
from typing import Any

from chaos.faults import toxic
from chaos.faults.toxic import DOWN, Toxic
from chaos.lab import Lab

__all__ = ["KIND", "prepare"]

KIND = "alert"
LINK = "alert"
CHANGES: Mapping[str, tuple[str, dict[str, Any]]] = {"dead": (DOWN, {}), "hanging": ("timeout", {"timeout": 0})}


def prepare(lab: Lab, change: str) -> Toxic:
    """`change` is dead or hanging, of the proxy's link `alert`. LookupError as for a toxic, or for another change."""
    if change not in CHANGES:
        raise LookupError(f"expected a change among {', '.join(CHANGES)}, found {change!r}")
    name, attributes = CHANGES[change]
    return toxic.prepare(lab, LINK, name, attributes)
