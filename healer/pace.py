"""The pace of the healer's passes: one per second, sooner while an incident advances or the gateway reports news."""

import threading
import time

from tasks.incidents.detection import Detection

TICK_SECONDS = 1.0
SOON_SECONDS = 0.25  # to the next pass while one may change something, and between two glances at the gateway


def pause(wake: threading.Event, detection: Detection, started: float, is_soon: bool) -> None:
    """Wait for the next pass after that of `started` (monotonic); ends early when `wake` is set or the gateway changes.

    `is_soon` says that a further pass may advance an incident.
    """
    end = started + (SOON_SECONDS if is_soon else TICK_SECONDS)
    while (left := end - time.monotonic()) > 0 and not wake.wait(min(left, SOON_SECONDS)):
        if left > SOON_SECONDS and detection.gateway_changed():
            return
