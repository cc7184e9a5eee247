"""Waits for a condition with a generous bound."""

import time

PATIENCE_SECONDS = 30.0


def wait_for(holds, what, seconds=PATIENCE_SECONDS):
    """Return the first true value of `holds`; AssertionError says what did not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")
