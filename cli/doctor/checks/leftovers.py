"""What a stack that was killed left: processes, addresses, and files that are not those of a stack."""

from collections.abc import Iterator

import psutil

from cli.doctor.examined import Examined, error, warning
from cli.doctor.finding import Finding
from cli.stack.home import ADDRESSES_FILE, PROCESSES_FILE
from cli.stack.orphans import marked_processes

NAME = "leftovers"
_NAMED_MAX = 5


def find(examined: Examined) -> Iterator[Finding]:
    """Nothing while a supervisor holds the home: it knows its processes."""
    home = examined.settings.home
    if examined.faulty_processes_file:
        fix = f"rm {home / PROCESSES_FILE}"
        yield error(NAME, home / PROCESSES_FILE, "the processes of `autopilot up`", examined.faulty_processes_file, fix)
    if examined.supervised:
        return
    if (home / ADDRESSES_FILE).exists():
        fix = "autopilot up, or `rm` the file: commands take these addresses for those of a running stack"
        yield warning(NAME, home / ADDRESSES_FILE, "no addresses without a stack", "those of one that has ended", fix)
    orphans = marked_processes(examined.processes.mark) if examined.processes.mark else []
    if orphans:
        pids = " ".join(str(process.pid) for process in orphans)
        fix = f"autopilot up, which ends them, or `kill -9 {pids}`"
        yield error(NAME, "processes", "no process of a stack that has ended", _named(orphans), fix)


def _named(processes: list[psutil.Process]) -> str:
    names = []
    for process in processes[:_NAMED_MAX]:
        try:
            names.append(f"{process.pid} ({' '.join(process.cmdline())[:60]})")
        except psutil.Error:
            names.append(str(process.pid))
    more = f" and {len(processes) - _NAMED_MAX} more" if len(processes) > _NAMED_MAX else ""
    return f"{', '.join(names)}{more}"
