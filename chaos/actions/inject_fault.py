"""Inject one fault of a known kind."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.faults import kinds
from chaos.lab import Lab
from chaos.record import recall, sample
from chaos.recovery import FAULT_ACTIVE, LATER_FAULT_ACTIVE
from chaos.staging.refusals import REFUSED

__all__ = ["inject_fault"]


def inject_fault(
    kind: str,
    arguments: Mapping[str, Any],
    ttl_seconds: float,
    configuration: Mapping[str, Any],
    later: bool = False,
) -> str:
    """Take a lease on the fault and inject it; return the lease's id.

    LookupError when the stack has no such target, PermissionError when the drill must not break it. The fault is
    sampled just before. That it is active afterwards is for a probe to prove, not for the action that claims it.
    `later` is for a part that is injected while the system recovers from the others.
    """
    lab = Lab.of(configuration)
    _check_allowed(lab)
    fault = kinds.prepare(kind, lab, arguments)
    fact = LATER_FAULT_ACTIVE if later else FAULT_ACTIVE
    sample(lab.directory, fact, holds=fault.active(), value=fault.title)
    return leases.take(lab.leases, fault, ttl_seconds=ttl_seconds).id


def _check_allowed(lab: Lab) -> None:
    """Raise PermissionError with what the timings control has recorded; FileNotFoundError when it did not run."""
    refused = [] if lab.target is None else recall(lab.directory, REFUSED)
    if refused:
        raise PermissionError(f"nothing was broken: {'; '.join(refused)}")
