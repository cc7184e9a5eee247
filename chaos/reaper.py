"""Undoes the faults of a drill that died: `python -m chaos.reaper DIRECTORY PID STARTED_AT`.

It runs in a session of its own. It undoes leases that expired or whose holder died, and ends when the holder has ended
and no lease is outstanding.
"""

import sys
import time
from pathlib import Path

import psutil
import structlog

from chaos import leases
from chaos.processes import ProcessName

__all__ = ["reap"]

POLL_SECONDS = 0.5  # how late an expiry may be noticed; the end of the holder is noticed at once
GIVE_UP_SECONDS = 600.0  # an undo that still fails after ten minutes needs a person; the log says which

log = structlog.get_logger("chaos.reaper")


def reap(directory: Path, holder: ProcessName) -> bool:
    """Watch `holder` until it has ended and its leases are undone; False when some could not be undone."""
    gave_up_at: float | None = None
    while True:
        process = holder.find()
        if process is not None:
            _wait(process)
        remaining = _undo_due(directory)
        if holder.find() is not None:
            continue
        if not remaining:
            return True
        gave_up_at = gave_up_at or time.monotonic() + GIVE_UP_SECONDS
        if time.monotonic() >= gave_up_at:
            log.error("undo_given_up", leases=[lease.id for lease in remaining])
            return False
        time.sleep(POLL_SECONDS)


def _undo_due(directory: Path) -> list[leases.Lease]:
    """Undo expired and orphaned leases, the latest first; return those that are still outstanding."""
    remaining = []
    for lease in reversed([each for each in leases.read_all(directory) if each.outstanding]):
        orphaned = lease.holder.find() is None
        if not orphaned and time.time() < lease.expires_at:
            remaining.append(lease)
            continue
        try:
            leases.give_back(directory, lease)
        except Exception as exc:  # noqa: BLE001  one failing undo must not prevent the others
            log.warning("undo_failed", lease=lease.id, fault=lease.fault.kind, error=repr(exc))
            remaining.append(lease)
        else:
            log.info("undone", lease=lease.id, fault=lease.fault.kind, orphaned=orphaned)
    return remaining


def _wait(process: psutil.Process) -> None:
    """Return when the process ends, or after POLL_SECONDS."""
    try:
        process.wait(timeout=POLL_SECONDS)
    except psutil.TimeoutExpired:
        return


def main(arguments: list[str]) -> int:
    directory, pid, started_at = arguments
    return 0 if reap(Path(directory), ProcessName(pid=int(pid), started_at=float(started_at))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
