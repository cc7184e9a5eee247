"""Make a service hang."""

from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.faults.stopped_process import StoppedProcess
from chaos.lab import Lab
from chaos.record import sample
from chaos.recovery import FAULT_ACTIVE

__all__ = ["stop_service"]


def stop_service(service: str, ttl_seconds: float, configuration: Mapping[str, Any]) -> str:
    """SIGSTOP the process of `service`; return the lease's id. LookupError when the stack runs no such service."""
    lab = Lab.of(configuration)
    fault = StoppedProcess(process=lab.process(service))
    sample(lab.directory, FAULT_ACTIVE, holds=fault.active(), value=fault.title)
    return leases.take(lab.leases, fault, ttl_seconds=ttl_seconds).id
