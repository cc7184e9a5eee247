"""Uses one core: `... KEEP_FILE SECONDS`."""

import sys
import time

from chaos.agents.agent import keep_active

BURST_SECONDS = 0.2


def burn() -> None:
    """Compute for BURST_SECONDS."""
    end = time.monotonic() + BURST_SECONDS
    while time.monotonic() < end:
        sum(range(10_000))


if __name__ == "__main__":
    keep_active(sys.argv[1:], burn, poll_seconds=0.0)
