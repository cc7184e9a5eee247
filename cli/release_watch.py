"""Prints the progress of a rollout on standard error while it runs in this process."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from releases.release_root import ReleaseRoot
from tasks.rollout.progress import RolloutProgress, progress_line
from tasks.rollout.rollout_status import ProgressFile

POLL_SECONDS = 0.5
TIME_SECONDS = 5.0  # between two lines in which only the time has changed


@contextmanager
def shown(release_root: ReleaseRoot, digest: str, *, enabled: bool) -> Iterator[None]:
    """Print lines about the rollout of `digest` until the block ends."""
    if not enabled:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_print_changes, args=(ProgressFile(release_root), digest, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _print_changes(file: ProgressFile, digest: str, over: threading.Event) -> None:
    """Print one line per change of stage, phase or counts, and one every TIME_SECONDS for the time left."""
    before = file.read()  # left by another rollout, or by this one's killed controller
    printed: RolloutProgress | None = None
    while not over.wait(POLL_SECONDS):
        now = file.read()
        if now is None or now == before or now.digest != digest:
            continue
        if printed is None or _has_changed(now, printed):
            print(progress_line(now), file=sys.stderr, flush=True)
            printed = now


def _has_changed(now: RolloutProgress, printed: RolloutProgress) -> bool:
    if (now.step, now.requests, now.errors, now.question) != (
        printed.step,
        printed.requests,
        printed.errors,
        printed.question,
    ):
        return True
    return (now.at - printed.at).total_seconds() >= TIME_SECONDS
