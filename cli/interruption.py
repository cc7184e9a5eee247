"""How a command ends when it is interrupted: by SIGINT (Ctrl-C), SIGTERM (`timeout`, systemd) or SIGHUP."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

PATIENCE_SECONDS = 5.0  # for the run to report its end to Prefect, and for temporary files to be removed
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_when_interrupted() -> None:
    """Let a signal end this command within a few seconds, with the exit code that shells use for the signal.

    The first signal raises SystemExit in the main thread, so that the flow run ends as crashed and temporary files are
    removed. If that takes longer than `PATIENCE_SECONDS`, or at a second signal, the process ends at once: what was
    committed is complete at any moment, and the next run continues from there.
    """
    for number in _SIGNALS:
        signal.signal(number, _interrupt)


def stop_at_signals() -> threading.Event:
    """An event that SIGINT, SIGTERM and SIGHUP set; every wait of the supervisor checks it."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in _SIGNALS:
        signal.signal(number, stop)
    return stopping


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    print("autopilot: interrupted; finished steps are kept, run the same command again to continue", file=sys.stderr)
    for each in _SIGNALS:
        signal.signal(each, _end_now)
    last = threading.Timer(PATIENCE_SECONDS, _end_now, [number, None])
    last.daemon = True
    last.start()
    raise SystemExit(128 + number)


def _end_now(number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)
