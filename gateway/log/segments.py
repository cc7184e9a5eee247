"""One stream of the prediction log on disk: segments, plain files of checksummed lines, written at their end only.

    name   = stream, the log's identity (`epoch`), number of its first entry: predictions-5f3a9c01-0000000000000001.log
    line   = CRC-32 of the entry (8 hex digits), space, the entry as a JSON array that begins with its number, newline

An append is one `write`: what it returned from is in the kernel's hands and survives any death of this process. A line
that is not whole can only be the last of the newest segment, and nobody was told of it; `open` cuts it off.
The newest segment is never deleted, so it carries the epoch and the count on. A log that was wiped goes on under
another epoch, from which a reader knows that what it read before was another log.
"""

import contextlib
import errno
import itertools
import os
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from healing.errors import LogCorrupt
from releases.files import sync_directory

AGE_SECONDS_MAX = 3600.0
BYTES_MAX = 4 * 2**30
_CHECKSUM_BYTES = 9  # with the space behind it
_READ_BYTES = 1 << 20


def encode_line(entry: Sequence[Any]) -> bytes:
    body = orjson.dumps(entry)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode_line(line: bytes) -> list[Any] | None:
    """The entry of a line without its newline; None when it is not what was written."""
    if not _holds(line):
        return None
    entry: list[Any] = orjson.loads(line[_CHECKSUM_BYTES:])
    return entry


def _holds(line: bytes) -> bool:
    return b"%08x " % zlib.crc32(line[_CHECKSUM_BYTES:]) == line[:_CHECKSUM_BYTES]


class Segments:
    """One thread appends; others may read and delete meanwhile. A segment is closed by its size or its age."""

    def __init__(
        self,
        directory: Path,
        stream: str,
        segment_bytes_max: int,
        segment_age_seconds_max: float = AGE_SECONDS_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self.epoch = ""
        self._directory = directory
        self._stream = stream
        self._name = re.compile(rf"{stream}-([0-9a-f]{{8}})-(\d{{16}})\.log")
        self._segment_bytes_max = segment_bytes_max
        self._age_seconds_max = segment_age_seconds_max
        self._bytes_max = bytes_max
        self._closed_bytes = 0
        self._descriptor: int | None = None
        self._path = directory
        self._size = 0
        self._began = 0.0

    def open(self) -> int:
        """Go on at the end of the newest segment, or begin the first; the number of the last entry. Raises OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        paths = self.paths()
        if not paths:
            self.epoch = os.urandom(4).hex()
            self._begin(1)
            return 0
        self._path = paths[-1]
        self.epoch = self._epoch_of(self._path)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size, last = _sound_part(self._path)
        os.ftruncate(self._descriptor, self._size)
        self._began = time.monotonic()
        self._weigh()
        return self.first_of(self._path) - 1 if last is None else last

    def has_room_for(self, size: int) -> bool:
        """Whether `size` bytes go into the present segment; to begin another one syncs a file, which takes its time."""
        return self._size + size <= self._segment_bytes_max and self._age() <= self._age_seconds_max

    def append(self, first: int, lines: bytes) -> None:
        """Write lines whose first entry has the number `first`: all of them, or OSError and none.

        OSError with EDQUOT when so much waits for a drain already; nothing that was not drained is ever deleted.
        """
        if self._closed_bytes + self._size + len(lines) > self._bytes_max:
            waiting = (
                f"{self._closed_bytes + self._size} bytes of {self._stream} wait to be drained, {self._bytes_max} may"
            )
            raise OSError(errno.EDQUOT, waiting)
        if self._size and not self.has_room_for(len(lines)):
            self._begin(first)
        assert self._descriptor is not None, "open the log first"
        found = os.fstat(self._descriptor)
        if not found.st_nlink:
            self.epoch = os.urandom(4).hex()  # wiped under this process; what is there from now on is another log
            self._begin(first)
        elif found.st_size != self._size:
            os.ftruncate(self._descriptor, self._size)  # half a line of a write that failed
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, memoryview(lines)[written:])
        except OSError:
            with contextlib.suppress(OSError):  # else the next append does it; a reader stops in front of half a line
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written

    def drained(self, epoch: str, until: int) -> int:
        """Delete the closed segments whose entries up to the number `until` are in the lake; returns how many.

        Nothing happens for another epoch: those were the numbers of another log.
        """
        if epoch != self.epoch:
            return 0
        paths = self.paths()
        whole = [path for path, following in itertools.pairwise(paths) if self.first_of(following) <= until + 1]
        for path in whole:
            path.unlink()
        self._weigh()
        return len(whole)

    def tail(self, bytes_max: int) -> Iterator[list[Any]]:
        """The entries in the last `bytes_max` bytes of the newest segment."""
        if not (paths := self.paths()):
            return
        with paths[-1].open("rb") as stream:
            start = max(0, paths[-1].stat().st_size - bytes_max)
            stream.seek(start)
            if start:
                stream.readline()
            for line in stream:
                if (entry := decode_line(line[:-1])) is not None:
                    yield entry

    def close(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a disk that cannot sync keeps what it has
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def paths(self) -> list[Path]:
        """The segments, oldest first."""
        found = [entry for entry in self._directory.iterdir() if self._name.fullmatch(entry.name)]
        return sorted(found, key=self.first_of)

    def first_of(self, path: Path) -> int:
        return int(path.stem.rpartition("-")[2])

    def read(self, after: int, limit: int) -> Iterator[list[Any]]:
        """Entries with a number above `after`, oldest first; LogCorrupt names a line that is not what was written."""
        paths = self.paths()
        for path, following in zip(paths, [*paths[1:], None], strict=True):
            if following is not None and self.first_of(following) <= after + 1:
                continue
            for entry in self._entries(path, newest=following is None):
                if entry[0] > after:
                    if limit <= 0:
                        return
                    limit -= 1
                    yield entry

    def _entries(self, path: Path, *, newest: bool) -> Iterator[list[Any]]:
        try:
            stream = path.open("rb", buffering=_READ_BYTES)
        except FileNotFoundError:
            return  # drained and deleted since it was listed
        with stream:
            for number, line in enumerate(stream, start=1):
                entry = decode_line(line[:-1]) if line.endswith(b"\n") else None
                if entry is not None:
                    yield entry
                elif newest and not line.endswith(b"\n"):
                    return  # is being written
                else:
                    raise LogCorrupt(f"{path.name}: the checksum of line {number} does not hold; move the file away")

    def _begin(self, first: int) -> None:
        """Close the segment that is open, and begin the next."""
        path = self._directory / f"{self._stream}-{self.epoch}-{first:016d}.log"
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.close()
        sync_directory(self._directory)
        self._path, self._descriptor, self._size, self._began = path, descriptor, 0, time.monotonic()
        self._weigh()

    def _weigh(self) -> None:
        """Take stock of the closed segments; another thread may delete some meanwhile."""
        total = 0
        for path in self.paths()[:-1]:
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        self._closed_bytes = total

    def _age(self) -> float:
        return time.monotonic() - self._began

    def _epoch_of(self, path: Path) -> str:
        found = self._name.fullmatch(path.name)
        assert found is not None, path
        return found[1]


def _sound_part(path: Path) -> tuple[int, int | None]:
    """Bytes of the lines in front of the first that is not whole, and the number of the last entry in them."""
    end, last = 0, b""
    with path.open("rb", buffering=_READ_BYTES) as stream:
        for line in stream:
            if not line.endswith(b"\n") or not _holds(line[:-1]):
                break
            end, last = end + len(line), line
    return end, orjson.loads(last[_CHECKSUM_BYTES:])[0] if last else None
