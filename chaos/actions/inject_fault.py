"""Inject one fault of a known kind."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.faults import kinds
from chaos.lab import Lab
from chaos.record import sample
from chaos.recovery import FAULT_ACTIVE

__all__ = ["inject_fault"]


def inject_fault(kind: str, arguments: Mapping[str, Any], ttl_seconds: float, configuration: Mapping[str, Any]) -> str:
    """Take a lease on the fault and inject it; return the lease's id. LookupError when the stack has no such target.

    It is sampled just before. That it is active afterwards is for a probe to prove, not for the action that claims it.
    """
    lab = Lab.of(configuration)
    fault = kinds.prepare(kind, lab, arguments)
    sample(lab.directory, FAULT_ACTIVE, holds=fault.active(), value=fault.title)
    return leases.take(lab.leases, fault, ttl_seconds=ttl_seconds).id
