"""File locks: one holder at a time on this machine. The kernel releases a lock when its holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from healing.errors import Conflict, StoreUnavailable

_POLL_SECONDS = 0.01


@contextmanager
def exclusive(path: Path, *, seconds_max: float, when_held: str | None = None) -> Iterator[None]:
    """Hold the lock file at `path`; waits for another holder for `seconds_max`.

    Conflict, with the message `when_held`, when it is still held after that. StoreUnavailable when the lock file cannot
    be created.
    """
    lock = FileLock(path, poll_interval=_POLL_SECONDS)
    try:
        lock.acquire(timeout=seconds_max)
    except Timeout as exc:
        raise Conflict(
            when_held or f"expected to lock {path} within {seconds_max:g} s, found it held; end what holds it"
        ) from exc
    except OSError as exc:
        raise StoreUnavailable(f"cannot write {path}: {exc}; free space or fix access") from exc
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether another holder has the lock now. Does not create the lock file."""
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
