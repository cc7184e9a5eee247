"""One holder at a time on this machine; the kernel lets go when the holder dies."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healing.errors import StoreUnavailable

_LOOK_SECONDS = 0.01


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; waits while another process holds it. StoreUnavailable when it cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as exc:
        raise StoreUnavailable(f"cannot write {path}: {exc}; free space or fix access") from exc
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def taken(descriptor: int, seconds_max: float) -> bool:
    """Whether the lock on an open file was had within `seconds_max`; 0 asks once. It goes with the descriptor."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        else:
            return True
