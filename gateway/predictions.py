"""The prediction log: every answered request is on disk before its answer leaves.

SQLite in WAL mode, written by one thread that commits whatever has gathered while it committed the last time. A commit
survives the death of this process at any moment; `synchronous=NORMAL` may lose the last ones in a power cut.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from gateway.problems import ProblemBoard
from healing.errors import StoreUnavailable
from healing.incident import Cause

_log = structlog.get_logger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS models (digest TEXT PRIMARY KEY, version TEXT NOT NULL, columns TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS predictions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, row INTEGER NOT NULL, at TEXT NOT NULL,
    generation INTEGER NOT NULL, digest TEXT NOT NULL, version TEXT NOT NULL, rung TEXT NOT NULL, key TEXT,
    features TEXT NOT NULL, prediction REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS shadow (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, row INTEGER NOT NULL, at TEXT NOT NULL,
    generation INTEGER NOT NULL, digest TEXT NOT NULL, version TEXT NOT NULL, prediction REAL, error TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS feedback (
    request_id TEXT NOT NULL, row INTEGER NOT NULL, label REAL NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (request_id, row)
);
"""
_INSERT = """
INSERT INTO predictions (request_id, row, at, generation, digest, version, rung, key, features, prediction)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_SHADOW = """
INSERT INTO shadow (request_id, row, at, generation, digest, version, prediction, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_REMEMBER = "INSERT OR IGNORE INTO models (digest, version, columns) VALUES (?, ?, ?)"
_FEEDBACK = """
INSERT INTO feedback (request_id, row, label, at) VALUES (?, ?, ?, ?)
ON CONFLICT (request_id, row) DO UPDATE SET label = excluded.label, at = excluded.at
"""
_BUSY_SECONDS = 5.0
LogRow = tuple[str, int, str, int, str, str, str, str | None, str, float]
ShadowRow = tuple[str, int, str, int, str, str, float | None, str]
"""Request id, row, time in ISO 8601, generation, digest, version, prediction (None where there is none), error ("")."""


@dataclass(frozen=True, slots=True)
class Label:
    """What came true for one row of one request."""

    request_id: str
    row: int
    label: float
    at: str


@dataclass(slots=True)
class _Write:
    statement: str
    rows: Sequence[tuple[Any, ...]]
    done: "asyncio.Future[bool]"


class PredictionLog:
    """One writer per state directory. `open` first; `close` commits what is left."""

    def __init__(self, directory: Path, problems: ProblemBoard) -> None:
        self.unlogged = 0
        self.commits = 0
        self._path = directory / "predictions.db"
        self._problems = problems
        self._new_models: list[tuple[str, str, str]] = []
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Create or open the file; StoreUnavailable says why it cannot be."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(self._connect()) as connection:
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise StoreUnavailable(f"the prediction log {self._path} cannot be opened for writing: {exc}") from exc
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_all, name="prediction-log", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        self._queue.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def record(self, rows: Sequence[LogRow]) -> "asyncio.Future[bool]":
        """Log answers; done when they are committed (true) or could not be (false), and then counted in `unlogged`."""
        return self._put(_INSERT, rows)

    def record_shadow(self, rows: Sequence[ShadowRow]) -> "asyncio.Future[bool]":
        """Log what a shadow scored, beside the answers; nobody needs to wait for it."""
        return self._put(_INSERT_SHADOW, rows)

    def record_labels(self, labels: Sequence[Label]) -> "asyncio.Future[bool]":
        """Log labels; saying the same one again changes nothing, another one replaces it."""
        return self._put(_FEEDBACK, [(x.request_id, x.row, x.label, x.at) for x in labels])

    def remember_model(self, digest: str, version: str, columns: Sequence[str]) -> None:
        """Note the order of a model's columns, which its logged rows follow; written with the next answers."""
        self._new_models.append((digest, version, orjson.dumps(list(columns)).decode()))

    def read(self, after: int, limit: int) -> Iterator[bytes]:
        """Logged answers with `seq` > `after`, oldest first, as JSON lines. Blocking: call it in a thread."""
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as db:
            columns = {
                digest: orjson.loads(names) for digest, names in db.execute("SELECT digest, columns FROM models")
            }
            for row in db.execute("SELECT * FROM predictions WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)):
                yield _as_line(row, columns)

    def read_shadow(self, after: int, limit: int) -> Iterator[bytes]:
        """Shadow scores with `seq` > `after`, oldest first, as JSON lines. Blocking: call it in a thread."""
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as db:
            db.row_factory = sqlite3.Row
            for row in db.execute("SELECT * FROM shadow WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)):
                yield orjson.dumps(dict(row), option=orjson.OPT_APPEND_NEWLINE)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _put(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> "asyncio.Future[bool]":
        assert self._loop is not None, "open the log first"
        done: asyncio.Future[bool] = self._loop.create_future()
        self._queue.put(_Write(statement, rows, done))
        return done

    # -- the writing thread -------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        connection = self._connect()
        try:
            while (first := self._queue.get()) is not None:
                writes, last = self._gather(first)
                self._settle(writes, self._commit(connection, writes))
                if last:
                    return
        finally:
            connection.close()

    def _gather(self, first: _Write) -> tuple[list[_Write], bool]:
        """All that waits now, and whether the log is closing."""
        writes = [first]
        with contextlib.suppress(queue.Empty):
            while True:
                following = self._queue.get_nowait()
                if following is None:
                    return writes, True
                writes.append(following)
        return writes, False

    def _commit(self, connection: sqlite3.Connection, writes: list[_Write]) -> str | None:
        """One transaction; returns what went wrong. Answers leave in any case: a full disk is no reason to refuse."""
        models = list(self._new_models)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_REMEMBER, models)
            for write in writes:
                connection.executemany(write.statement, write.rows)
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return str(exc)
        del self._new_models[: len(models)]
        return None

    def _settle(self, writes: list[_Write], error: str | None) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for these any more
            self._loop.call_soon_threadsafe(self._tell, writes, error)

    # -- the event loop's thread --------------------------------------------------------------------------------------

    def _tell(self, writes: list[_Write], error: str | None) -> None:
        directory = str(self._path.parent)
        if error is None:
            self.commits += 1
            self._problems.end(directory, Cause.DISK_FULL, Cause.STORE_UNAVAILABLE)
        else:
            self.unlogged += sum(len(write.rows) for write in writes if write.statement is _INSERT)
            code = Cause.DISK_FULL if "full" in error or "disk I/O" in error else Cause.STORE_UNAVAILABLE
            self._problems.begin(code, directory, f"answers leave without being logged: {error}")
        for write in writes:
            if not write.done.done():
                write.done.set_result(error is None)


def _as_line(row: tuple[Any, ...], columns: dict[str, list[str]]) -> bytes:
    seq, request_id, number, at, generation, digest, version, rung, key, features, prediction = row
    values = orjson.loads(features)
    named = values if isinstance(values, dict) else dict(zip(columns[digest], values, strict=True))
    return orjson.dumps(
        {
            "seq": seq,
            "request_id": request_id,
            "row": number,
            "at": at,
            "generation": generation,
            "digest": digest,
            "version": version,
            "rung": rung,
            "key": key,
            "features": named,
            "prediction": prediction,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
