"""Finds the faults that a catalogue entry can name."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from chaos import faults
from chaos.lab import Lab

__all__ = ["UnknownKind", "known_kinds", "prepare"]

Prepare = Callable[..., Any]


class UnknownKind(ValueError):
    """No fault has this kind. The message lists those that exist."""


@cache
def known_kinds() -> Mapping[str, Prepare]:
    """`prepare` of each kind, by the kind's name."""
    names = [each.name for each in pkgutil.iter_modules(faults.__path__) if each.name != "kinds"]
    modules = [importlib.import_module(f"{faults.__name__}.{name}") for name in names]
    return {module.KIND: module.prepare for module in modules if hasattr(module, "KIND")}


def prepare(kind: str, lab: Lab, arguments: Mapping[str, Any]) -> Any:
    """The fault of this kind on the lab, not injected yet. UnknownKind; TypeError for arguments that it lacks."""
    if kind not in known_kinds():
        raise UnknownKind(f"expected a kind of fault among {', '.join(sorted(known_kinds()))}, found {kind!r}")
    return known_kinds()[kind](lab, **arguments)
