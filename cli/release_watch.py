"""Telling on standard error how far a rollout is, while it goes on in this process."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.rollout.progress import RolloutProgress, progress_line
from tasks.rollout.rollout_status import ProgressFile

LOOK_SECONDS = 0.5
QUIET_SECONDS = 5.0  # a line that tells only of time is due so often


@contextmanager
def shown(release_root: Path, digest: str, *, enabled: bool) -> Iterator[None]:
    """Lines about the rollout of `digest` until the block ends."""
    if not enabled:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_tell, args=(ProgressFile(release_root), digest, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _tell(file: ProgressFile, digest: str, over: threading.Event) -> None:
    """One line for each change of stage, phase or counts, and now and then one for the time that is left."""
    before = file.read()  # of another rollout, or of this one's killed controller
    told: RolloutProgress | None = None
    while not over.wait(LOOK_SECONDS):
        now = file.read()
        if now is None or now == before or now.digest != digest:
            continue
        if told is None or _is_news(now, told):
            print(progress_line(now), file=sys.stderr, flush=True)
            told = now


def _is_news(now: RolloutProgress, told: RolloutProgress) -> bool:
    if (now.step, now.requests, now.errors, now.question) != (told.step, told.requests, told.errors, told.question):
        return True
    return (now.at - told.at).total_seconds() >= QUIET_SECONDS
