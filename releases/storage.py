"""Where the bytes of releases are kept: one protocol, with a directory and an object store behind it.

The release log and the model store have their logic once, above this protocol.
"""

import contextlib
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeAlias

from releases.files import create_exclusively, sync_directory, write_atomically
from releases.release_root import ObjectRoot, ReleaseRoot

FileState: TypeAlias = tuple[str | int | None, ...]


class Storage(Protocol):
    """Named bytes. A name is a path below the root, such as `log/00000001.json`.

    FileNotFoundError and FileExistsError say what is there. Any other OSError, or StoreUnavailable, says that the
    storage did not do its work. Every call returns or raises within a bounded time on an object store; on a directory
    it takes as long as the file system does.
    """

    def where(self, name: str) -> str:
        """The place of `name`, for messages."""

    def names(self, folder: str) -> list[str]:
        """Names of the entries directly in `folder`, in no particular order.

        Without such a folder, a directory raises FileNotFoundError, and an object store, which has no folders, names
        nothing.
        """

    def has(self, name: str) -> bool:
        """Whether there are bytes under `name`."""

    def has_folder(self, folder: str) -> bool:
        """Whether anything was ever written below `folder` and not deleted."""

    def read(self, name: str) -> bytes:
        """All bytes under `name`."""

    def digest(self, name: str) -> str:
        """SHA-256 (64 hex digits) of the bytes under `name`."""

    def states(self, folder: str) -> frozenset[FileState]:
        """What the storage says of all files below `folder` without reading them; empty where there are none."""

    def create(self, name: str, content: bytes) -> None:
        """Write `content` under a name that has none; of two writers one gets FileExistsError."""

    def replace(self, name: str, content: bytes) -> None:
        """Write `content` in one step, whether there was something before or not."""

    def place(self, directory: Path, folder: str, last: str) -> None:
        """Move the files of `directory` to `folder`. A reader that sees the file `last` sees all of them."""


class DirectoryStorage:
    """A directory of a file system."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def where(self, name: str) -> str:
        return str(self._directory / name)

    def names(self, folder: str) -> list[str]:
        return [entry.name for entry in (self._directory / folder).iterdir()]

    def has(self, name: str) -> bool:
        return (self._directory / name).is_file()

    def has_folder(self, folder: str) -> bool:
        return (self._directory / folder).is_dir()

    def read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()

    def digest(self, name: str) -> str:
        with (self._directory / name).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def states(self, folder: str) -> frozenset[FileState]:
        found: set[FileState] = set()
        for path in (self._directory / folder).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                seen = path.stat()
                found.add((path.name, seen.st_ino, seen.st_size, seen.st_mtime_ns))
        return frozenset(found)

    def create(self, name: str, content: bytes) -> None:
        create_exclusively(self._directory / name, content)

    def replace(self, name: str, content: bytes) -> None:
        write_atomically(self._directory / name, content)

    def place(self, directory: Path, folder: str, last: str) -> None:
        """One rename, unless another writer has put the same content there."""
        target = self._directory / folder
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            directory.rename(target)
        except OSError:
            if not (target / last).is_file():
                raise
        sync_directory(target.parent)


def storage_of(root: ReleaseRoot) -> Storage:
    """The storage behind a release root. Clients of an object store are kept: each has its connections."""
    return _object_storage(root.address) if isinstance(root, ObjectRoot) else DirectoryStorage(root)


@lru_cache(maxsize=32)
def _object_storage(address: str) -> Storage:
    from releases.object_storage import ObjectStorage

    return ObjectStorage(address)


def forget_clients() -> None:
    """Open new clients from now on, for example after the credentials in the environment have changed."""
    _object_storage.cache_clear()
