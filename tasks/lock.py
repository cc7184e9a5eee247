"""One holder at a time on this machine; the kernel lets go when the holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from healing.errors import StoreUnavailable


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
