"""Computes on several processors at a low priority, and for nothing: `... KEEP_FILE SECONDS PROCESSES NICENESS`."""

import multiprocessing
import os
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.05


def burn(keep_file: Path, seconds_max: float, parent: int) -> None:
    """Compute until the keep file is gone, the time is over, or the agent has ended."""
    end = time.monotonic() + seconds_max
    while keep_file.exists() and time.monotonic() < end and os.getppid() == parent:
        until = time.monotonic() + POLL_SECONDS
        while time.monotonic() < until:
            pass


def main() -> None:
    keep_file, seconds_max, processes, niceness = sys.argv[1:]
    os.nice(int(niceness))
    context = multiprocessing.get_context("fork")
    arguments = (Path(keep_file), float(seconds_max), os.getpid())
    burners = [context.Process(target=burn, args=arguments) for _ in range(int(processes))]
    for burner in burners:
        burner.start()
    for burner in burners:
        burner.join()


if __name__ == "__main__":
    main()
