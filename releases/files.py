"""Files that appear whole or not at all, and survive a power cut once they have appeared."""

import os
import tempfile
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable; a rename is not, until its directory is synced."""
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
    """Replace `target` in one step: a reader, and a crash, sees the old content or the new."""
    beside = _write_beside(target, content, mode)
    try:
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def create_exclusively(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Create `target` with its whole content, or raise FileExistsError and leave it alone.

    `open(target, "xb")` would be exclusive too, but a crash between the create and the write leaves an empty file that
    nobody may replace. A hard link of a finished file is exclusive and whole.
    """
    beside = _write_beside(target, content, mode)
    try:
        os.link(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync_directory(target.parent)
