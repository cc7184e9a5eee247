"""A process's own bounds of memory.

A sudden allocation beyond a worker's limit raises MemoryError in the model, and fails only the row that asked for it.
Where the machine runs out of memory, the kernel ends workers first, then the fork server, the router last. A slow leak
is the router's to see: `gateway.workers.memory_watch`.
"""

import gc
import os
import resource
from pathlib import Path

_SUDDEN = 1.5  # of what a worker may grow by: what the watch would find a second later is let pass until then
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
WORKER_OOM_SCORE = 900
FORKSERVER_OOM_SCORE = 600


def limit_own_growth(bytes_max: int) -> None:
    """Let allocations of this process fail once it holds `bytes_max` and a half more than it does now."""
    status = Path("/proc/self/status").read_text()
    (held,) = (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + int(_SUDDEN * bytes_max)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def prefer_to_be_killed(score: int) -> None:
    """Have the kernel end this process before those with a lower score when memory runs out (0 to 1000)."""
    Path("/proc/self/oom_score_adj").write_text(str(score))


def resident_bytes(pid: int) -> int:
    """Memory that a process holds now; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


def collect_rarely() -> None:
    """Call once a process has what it keeps. A full collection would visit all of it while no request is
    answered. Objects of requests are freed by their reference counts; cycles are rare, and still collected.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
