"""The faults are active: without that proof a drill shows nothing."""

import time
from collections.abc import Mapping
from typing import Any

from chaos import leases
from chaos.lab import Lab
from chaos.record import sample, samples
from chaos.recovery import FAULT_ACTIVE, LATER_FAULT_ACTIVE

__all__ = ["POLL_SECONDS", "faults_are_active"]

POLL_SECONDS = 0.05


def faults_are_active(deadline_seconds: float, configuration: Mapping[str, Any], latest: bool = False) -> bool:
    """Whether the disk, the kernel or Prefect confirm every outstanding lease within `deadline_seconds`.

    With `latest`, only the lease that was taken last.
    """
    lab = Lab.of(configuration)
    faults = [lease.fault for lease in leases.read_all(lab.leases) if lease.outstanding]
    faults = faults[-1:] if latest else faults
    later = {each.value for each in samples(lab.directory) if each.fact == LATER_FAULT_ACTIVE}
    deadline = time.monotonic() + deadline_seconds
    while True:
        proofs = [
            sample(
                lab.directory,
                LATER_FAULT_ACTIVE if fault.title in later else FAULT_ACTIVE,
                holds=fault.active(),
                value=fault.title,
            )
            for fault in faults
        ]
        if all(proofs) or time.monotonic() >= deadline:
            return bool(proofs) and all(proofs)
        time.sleep(POLL_SECONDS)
