"""Atomic and durable writes: a file appears with its whole content or not at all, and survives a power failure."""

import os
import tempfile
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable; a rename is durable only after its directory is synced."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_beside(target: Path, content: bytes, mode: int) -> Path:
    """Write and sync `content` under a temporary name in the target's directory, and return that path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def write_atomically(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `target` in one step: a reader sees, and a crash leaves, the old content or the new."""
    beside = _write_beside(target, content, mode)
    try:
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def create_exclusively(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Create `target` with its whole content; FileExistsError, without a change, when it exists.

    `open(target, "xb")` is exclusive too, but a crash between create and write leaves an empty file that no writer may
    replace. A hard link to a finished file is exclusive and complete.
    """
    beside = _write_beside(target, content, mode)
    try:
        os.link(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(target.parent)
