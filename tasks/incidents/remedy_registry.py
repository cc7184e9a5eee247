"""Finds the implementation of a remedy among the modules of `tasks/incidents/remedies/`."""

import importlib
import pkgutil
from functools import cache

from healing.incident import Cause, Remedy
from tasks.incidents import remedies
from tasks.incidents.remedy_action import RemedyAction


@cache
def registered_remedies() -> tuple[RemedyAction, ...]:
    """The implementations that the modules list in REMEDIES."""
    names = [module.name for module in pkgutil.iter_modules(remedies.__path__)]
    modules = [importlib.import_module(f"{remedies.__name__}.{name}") for name in names]
    return tuple(action for module in modules for action in module.REMEDIES)


def find_remedy(remedy: Remedy, cause: Cause) -> RemedyAction | None:
    """The implementation of the remedy for the cause; None if the remedy cannot treat it."""
    return next((a for a in registered_remedies() if a.remedy is remedy and a.applies_to(cause)), None)


def implementation_of(remedy: Remedy) -> RemedyAction:
    """An implementation of the remedy, whatever the cause."""
    return next(action for action in registered_remedies() if action.remedy is remedy)
