"""One stream of the prediction log on disk: segments, plain files of checksummed lines, written at their end only.

    name   = stream, the log's identity (`epoch`), number of its first entry: predictions-5f3a9c01-0000000000000001.log
    line   = CRC-32 of the entry (8 hex digits), space, the entry as a JSON array that begins with its number, newline

An append is one `write`: once it returned, the entry survives any death of this process. A kill leaves at most half a
line at the end of the newest segment, of a request that was never answered; `open` cuts it off. Other damage comes from
the disk. It costs the lines that it hits and no other one: a reader passes over them, and `open` keeps the sound lines
and puts the whole file aside, as NAME.log.damaged. A segment that was cut off meanwhile is continued by another one.

The newest segment is never deleted, so it carries the epoch and the count on. `close` leaves a mark of the last number.
Without that mark entries may have been lost that a reader has seen, so the count goes on far above, and no number is
ever used twice. A log that was wiped goes on under another epoch, from which a reader knows that it is another log.
"""

import contextlib
import errno
import itertools
import math
import os
import re
import time
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from releases.files import sync_directory, write_atomically

AGE_SECONDS_MAX = 3600.0
BYTES_MAX = 4 * 2**30
CUT_OFF = -1  # instead of where a line ends: the end of the segment is missing
_CHECKSUM_BYTES = 9  # with the space behind it
_READ_BYTES = 1 << 20
_PLACE_LINES = 500  # between two places that a reader remembers, so that the next page does not begin at the top
_JUMP = 10**9  # far more entries than a machine can lose when it stops


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


class NotDrained(OSError):
    """So much waits for a drain that `size` more bytes are over the bound."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(errno.EDQUOT, message)
        self.size = size


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
        self.damaged: list[Path] = []  # files put aside at `open`, as lines of them were not what was written
        self.unsound: dict[Path, set[int]] = {}  # where lines end that a reader has passed over, or CUT_OFF
        self._directory = directory
        self._stream = stream
        self._name = re.compile(rf"{stream}-([0-9a-f]{{8}})-(\d{{16}})\.log")
        self._segment_bytes_max = segment_bytes_max
        self._age_seconds_max = segment_age_seconds_max
        self._bytes_max = bytes_max
        self._closed_bytes = 0
        self._places: dict[Path, list[tuple[int, int]]] = {}  # numbers of entries, and where the next one begins
        self._descriptor: int | None = None
        self._path = directory
        self._size = 0
        self._began = 0.0
        self._last = 0

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
        last = _repair(self._path)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = self._path.stat().st_size
        self._last = self.first_of(self._path) - 1 if last is None else last
        if not self._take_mark():
            self._last = (self._last // _JUMP + 1) * _JUMP
        self._began = time.monotonic()
        self.damaged = sorted(self._directory.glob(f"{self._stream}-*.log.damaged*"))
        self._weigh()
        return self._last

    def has_room_for(self, size: int) -> bool:
        """Whether `size` bytes go into the present segment; to begin another one syncs a file, which takes its time."""
        return self._size + size <= self._segment_bytes_max and self._age() <= self._age_seconds_max

    def has_room_within_bound(self, size: int) -> bool:
        """Whether `size` more bytes may wait for a drain."""
        return self._closed_bytes + self._size + size <= self._bytes_max

    def append(self, first: int, lines: bytes) -> None:
        """Write lines whose first entry has the number `first`: all of them, or OSError and none.

        OSError with EDQUOT when so much waits for a drain already; nothing that was not drained is ever deleted.
        """
        if not self.has_room_within_bound(len(lines)):
            waiting = (
                f"{self._closed_bytes + self._size} bytes of {self._stream} wait to be drained, {self._bytes_max} may"
            )
            raise NotDrained(waiting, len(lines))
        if self._size and not self.has_room_for(len(lines)):
            self._begin(first)
        assert self._descriptor is not None, "open the log first"
        found = os.fstat(self._descriptor)
        if not found.st_nlink:
            self.epoch = os.urandom(4).hex()  # wiped under this process; what is there from now on is another log
            self._begin(first)
        elif found.st_size < self._size:
            self.unsound.setdefault(self._path, set()).add(CUT_OFF)
            self._begin(first)  # zeros in place of what was cut off would spoil the next line as well
        elif found.st_size > self._size:
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
        self._last = first + lines.count(b"\n") - 1

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
            self._places.pop(path, None)
            self.unsound.pop(path, None)
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
        """Sync the log and leave the mark of its last number."""
        if self._descriptor is not None:
            self._release()
            with contextlib.suppress(OSError):  # without the mark the next start counts on far above
                self._mark.write_text(self._state())

    def _release(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a disk that cannot sync keeps what it has
                os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _mark(self) -> Path:
        return self._directory / f"{self._stream}.closed"

    def _state(self) -> str:
        return f"{self._path.name} {self._size} {self._last}"

    def _take_mark(self) -> bool:
        """Whether the log was closed as it is now; the mark is gone from then on."""
        try:
            closed = self._mark.read_text() == self._state()
            self._mark.unlink()
        except FileNotFoundError:
            return False
        return closed

    def paths(self) -> list[Path]:
        """The segments, oldest first."""
        found = [entry for entry in self._directory.iterdir() if self._name.fullmatch(entry.name)]
        return sorted(found, key=self.first_of)

    def first_of(self, path: Path) -> int:
        return int(path.stem.rpartition("-")[2])

    def read(self, after: int, limit: int) -> Iterator[list[Any]]:
        """Entries with a number above `after`, oldest first, without those that are not what was written."""
        paths = self.paths()
        for path, following in zip(paths, [*paths[1:], None], strict=True):
            if following is not None and self.first_of(following) <= after + 1:
                continue
            for entry in self._entries(path, after, newest=following is None):
                if entry[0] > after:
                    if limit <= 0:
                        return
                    limit -= 1
                    yield entry

    def _entries(self, path: Path, after: int, *, newest: bool) -> Iterator[list[Any]]:
        """The entries of a segment, from the last remembered place that is not behind the number `after`."""
        places = self._places.setdefault(path, [(0, 0)])
        _, offset = places[bisect_right(places, (after, math.inf)) - 1]
        try:
            stream = path.open("rb", buffering=_READ_BYTES)
        except FileNotFoundError:
            return  # drained and deleted since it was listed
        with stream:
            stream.seek(offset)
            for number, line in enumerate(stream, start=1):
                entry = decode_line(line[:-1]) if line.endswith(b"\n") else None
                offset += len(line)
                if entry is not None:
                    self._find_sound(path, offset)
                    if number % _PLACE_LINES == 0 and entry[0] > places[-1][0]:
                        places.append((entry[0], offset))
                    yield entry
                elif newest and not line.endswith(b"\n"):
                    return  # is being written
                else:
                    self.unsound.setdefault(path, set()).add(offset)

    def _find_sound(self, path: Path, offset: int) -> None:
        """Take that the line which ends at `offset` holds; a disk may give back what it has held back."""
        ends = self.unsound.get(path)
        if ends is not None:
            ends.discard(offset)
            if not ends:
                self.unsound.pop(path, None)

    def _begin(self, first: int) -> None:
        """Close the segment that is open, and begin the next."""
        path = self._directory / f"{self._stream}-{self.epoch}-{first:016d}.log"
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._release()
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


def _repair(path: Path) -> int | None:
    """Leave only sound lines in a segment, and return the number of the last; None where there is none.

    Half a line at the end is cut off. Where any other line is damaged, the file as it was is kept beside it.
    """
    content = path.read_bytes()
    sound = [line for line in content.splitlines(keepends=True) if line.endswith(b"\n") and _holds(line[:-1])]
    kept = b"".join(sound)
    if kept != content:
        half_a_line = content[content.rfind(b"\n") + 1 :]
        if kept + half_a_line != content:
            path.rename(_free_name(path))
        write_atomically(path, kept)
    return orjson.loads(sound[-1][_CHECKSUM_BYTES:])[0] if sound else None


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    return next(name for name in names if not name.exists())
