"""Reads SQLite files without changing them, and finds the process that holds a write lock."""

import fcntl
import os
import sqlite3
import struct
import time
from pathlib import Path
from urllib.parse import quote

_WAL_WRITE_LOCK = 120  # byte of the file -shm that a writer locks, see https://sqlite.org/walformat.html#locks
_RESERVED_BYTE = 0x40000001  # byte of the database itself that a writer locks without write-ahead log
_FLOCK = "hhqqi"  # type, whence, start, length, process id: `struct flock` of Linux with 64 bits
_POLL_SECONDS = 0.05


def wal_of(file: Path) -> Path:
    """The write-ahead log of a database."""
    return file.with_name(f"{file.name}-wal")


def connect_read_only(file: Path, seconds: float) -> sqlite3.Connection:
    """A connection that creates no file. It waits at most `seconds` for a lock.

    Without a write-ahead log no process uses the database, so it is read as it is; SQLite would create an empty log.
    """
    immutable = "" if wal_of(file).exists() else "&immutable=1"
    uri = f"file:{quote(os.fspath(file))}?mode=ro{immutable}"
    return sqlite3.connect(uri, uri=True, timeout=seconds, check_same_thread=False)


def quick_check(file: Path, seconds: float) -> str:
    """The first problem that SQLite's quick check finds; empty if there is none, or none within `seconds`.

    sqlite3.Error for a file that is not readable as a database.
    """
    deadline = time.monotonic() + seconds
    connection = connect_read_only(file, seconds)
    try:
        connection.set_progress_handler(lambda: int(time.monotonic() >= deadline), 10_000)
        [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as exc:
        if "interrupted" in str(exc):
            return ""  # so large a database, and sound as far as it was read
        raise
    finally:
        connection.close()
    return "" if found == "ok" else str(found)


def writer_that_stays(file: Path, seconds: float) -> int | None:
    """The process that holds the write lock of the database during all of `seconds`; None if there is none.

    0 for a process that cannot be seen from here. It only asks who holds the lock, and takes none.
    """
    first = _writer(file)
    deadline = time.monotonic() + seconds
    while first is not None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        if _writer(file) != first:
            return None
    return first


def _writer(file: Path) -> int | None:
    shared = file.with_name(f"{file.name}-shm")
    holders = (_lock_holder(shared, _WAL_WRITE_LOCK), _lock_holder(file, _RESERVED_BYTE))
    return next((holder for holder in holders if holder is not None), None)


def _lock_holder(file: Path, offset: int) -> int | None:
    """The process with an exclusive lock on one byte of the file."""
    try:
        with file.open("rb") as stream:
            question = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, offset, 1, 0)
            answer = struct.unpack(_FLOCK, fcntl.fcntl(stream, fcntl.F_GETLK, question))
    except OSError:
        return None
    return None if answer[0] == fcntl.F_UNLCK else max(0, answer[4])
