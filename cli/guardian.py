"""Kills what a supervisor leaves behind when it dies without a chance to clean up.

The supervisor holds the other end of this process's standard input. A farewell line there means that the supervisor
stopped its processes itself; end of file without one means that it was killed.

    python -m cli.guardian MARK
"""

import signal
import sys

from cli.lineage import kill_members

FAREWELL = b"farewell\n"


def main() -> None:
    """Wait for the supervisor's end; kill every process of its mark unless it said farewell."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the supervisor's end ends the watch
    [_, mark] = sys.argv
    if sys.stdin.buffer.read() != FAREWELL:
        kill_members(mark)


if __name__ == "__main__":
    main()
