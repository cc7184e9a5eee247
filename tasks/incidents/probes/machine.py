"""Whether the machine has memory left and can start processes.

Load is not among it: services of a busy machine answer late and not wrongly, and each has its own limit for that.
"""

import os
import subprocess
from pathlib import Path

import psutil

from healing.diagnosis import ProblemKey, ProblemSignal
from healing.incident import Cause
from tasks.incidents.probe import LOOK_SECONDS_MAX, Probe, ProbeContext, Sighting

AVAILABLE_SHARE_MIN = 0.03  # below, the kernel soon kills processes; on 4 GiB these are 120 MiB, one model process
CGROUP = Path("/sys/fs/cgroup")

MEMORY: ProblemKey = (Cause.RESOURCE_PRESSURE, "memory")
PROCESSES: ProblemKey = (Cause.RESOURCE_PRESSURE, "processes")


class MachineResources(Probe):
    """Available memory, of the machine and of the control group, and one process that starts and ends."""

    name = "machine"
    looks_min = 3  # a training may need much memory for a moment

    def watched(self, context: ProbeContext) -> frozenset[ProblemKey]:  # noqa: ARG002
        return frozenset({MEMORY, PROCESSES})

    def observe(self, context: ProbeContext) -> Sighting:  # noqa: ARG002
        problems = ((MEMORY, memory_shortage()), (PROCESSES, start_failure()))
        return Sighting(tuple(ProblemSignal(*key, message) for key, message in problems if message is not None))


def memory_shortage(cgroup: Path = CGROUP) -> str | None:
    """What memory lacks; None if enough is available."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    limit = _cgroup_limit(cgroup)
    if limit is not None:
        total, available = min(total, limit[0]), min(available, limit[1])
    if available >= AVAILABLE_SHARE_MIN * total:
        return None
    return (
        f"expected {AVAILABLE_SHARE_MIN:.0%} of {total // 2**20} MiB memory available, found {available // 2**20} MiB"
    )


def start_failure() -> str | None:
    """Why no process can be started; None if one can."""
    try:
        subprocess.run(["true"], check=False, timeout=LOOK_SECONDS_MAX, stdin=subprocess.DEVNULL, env=os.environ)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"expected to start a process, found {exc}"
    return None


def _cgroup_limit(cgroup: Path) -> tuple[int, int] | None:
    """Limit and available bytes of the control group (version 2); None without a limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if limit == "max":
        return None
    cached = int(statistics.get("inactive_file", 0))  # the kernel frees it when it is needed
    return int(limit), int(limit) - used + cached


PROBES = (MachineResources,)
