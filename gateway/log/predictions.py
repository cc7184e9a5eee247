"""The prediction log: every answered request is on disk before its answer leaves; shadow scores and feedback beside it.

What is written survives the death of this process at any moment. A power cut may lose the last seconds: only closed
segments are synced. A drain reads the streams by number and reports how far the lake has them. Closed segments are
deleted then, and never before. Without a drain the log grows up to its bound, and then takes nothing more.
"""

import asyncio
import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from gateway.log.appender import Appender
from gateway.log.directory_lock import DirectoryLock
from gateway.log.redaction import FINGERPRINT, Redaction
from gateway.log.replays import Logged, Replays
from gateway.log.segments import NotDrained, Segments
from gateway.reporting.problems import Condition, ProblemBoard
from healing.errors import StoreUnavailable
from healing.incident import Cause

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TAIL_BYTES = 4 * 2**20  # of the log, in which a start looks for requests that may be asked again; read in 0.05 s

LogRow = tuple[
    str, int, str, int, str, str, str, str | None, Mapping[str, Any], float, int | None, str, float, *tuple[Any, ...]
]
"""Request id, row, time in ISO 8601, generation, digest, version, rung, key, features by name, prediction; the number
of the row whose place this one takes, if it takes one; the digest of the version that was asked first and failed, or
nothing; milliseconds from the question to the answer; where a client gets something else than the prediction, that;
in an A/B test the number of the client; with redaction, in a request's first row, its fingerprint."""
_PREDICTION = (
    *("seq", "request_id", "row", "at", "generation", "digest", "version", "rung", "key", "features", "prediction"),
    *("replaces", "failed", "latency_ms"),  # an older log has no entries with the last two, and few with the third
    *("outputs", "client", "fingerprint"),  # in few entries
)
_ROW, _END = _PREDICTION.index("row"), [0, "", 0]
_REPLACES = _PREDICTION.index("replaces")
_REQUEST_ID, _DIGEST, _KEY, _FEATURES, _ANSWER = (  # in a row, which has no number in front
    _PREDICTION.index(name) - 1 for name in ("request_id", "digest", "key", "features", "prediction")
)
ShadowRow = tuple[str, int, str, int, str, str, float | None, str]
_SHADOW = ("seq", "request_id", "row", "at", "generation", "digest", "version", "prediction", "error")
_LABEL = ("seq", "request_id", "row", "label", "at")
_OUTCOME = ("seq", "request_id", "row", "name", "value", "at")


@dataclass(frozen=True, slots=True)
class FeedbackLabel:
    """The label of one row of one request."""

    request_id: str
    row: int
    label: float
    at: str


@dataclass(frozen=True, slots=True)
class FeedbackOutcome:
    """The value of one outcome, such as revenue, for one row of one request."""

    request_id: str
    row: int
    name: str
    value: float
    at: str


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Bounds of each stream of the log; see the settings of the same names."""

    segment_bytes_max: int = 32 * 2**20
    segment_age_seconds_max: float = 3600.0
    bytes_max: int = 4 * 2**30


class LogStream(StrEnum):
    """The streams of the log; each has its own numbers and its own drain."""

    PREDICTIONS = "predictions"
    SHADOW = "shadow"
    LABELS = "labels"
    OUTCOMES = "outcomes"


class PredictionLog:
    """One writer per state directory. `open` first; `close` writes what is left.

    `unlogged` counts answered rows that are not in the log, because the disk would not take them. `redaction` is
    applied to rows where they are made, before they are recorded: see `gateway.ports.log_rows`.
    """

    def __init__(
        self,
        directory: Path,
        problems: ProblemBoard,
        limits: LogLimits | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        limits = limits or LogLimits()
        self.redaction = redaction
        bounds = (limits.segment_bytes_max, limits.segment_age_seconds_max, limits.bytes_max)
        self.unlogged = 0
        self._directory = directory
        problems.sources.append(self.conditions)
        if redaction is not None:
            problems.sources.append(redaction.conditions)
        self._replays = Replays()
        self._failing: dict[LogStream, OSError] = {}
        self._segments = {stream: Segments(directory, stream, *bounds) for stream in LogStream}
        self._appenders = {
            stream: Appender(segments, partial(self._settled, stream), partial(self._recovered, stream))
            for stream, segments in self._segments.items()
        }
        self.lock = DirectoryLock(directory)
        self._answers = self._appenders[LogStream.PREDICTIONS]

    @property
    def commits(self) -> int:
        return self._answers.writes

    def open(self) -> None:
        """Open or begin the files; StoreUnavailable says why it cannot be done."""
        self.lock.take()
        try:
            for appender in self._appenders.values():
                appender.open()
            self._remember_tail()
        except OSError as exc:
            raise StoreUnavailable(
                f"the prediction log in {self._directory} cannot be opened for writing: {exc}"
            ) from exc

    async def close(self) -> None:
        for appender in self._appenders.values():
            await appender.close()
        self.lock.release()

    def record(self, rows: Sequence[LogRow]) -> "asyncio.Future[bool]":
        """Log one request's answer; done when it is committed (true) or could not be (false), and then in `unlogged`.

        A request id that was logged lately with the same key and features is the same request asked again. The same
        answer is not logged twice, and another one is logged as replacing the first.
        """
        name, count, answer = _name(rows[0]), len(rows), _answer_hash(rows[0])
        place = original = self._answers.last + 1
        before = self._replays.find(name, count)
        if before is not None:
            if before.answer == answer:
                return self._answers.written(before.place)
            original = before.original
            rows = [_replacing(row, original + number) for number, row in enumerate(rows)]
        self._replays.remember(name, count, Logged(place, original, answer))
        return self._answers.record(rows)

    def record_shadow(self, rows: Sequence[ShadowRow]) -> "asyncio.Future[bool]":
        """Log what a shadow scored; nobody needs to wait for it."""
        return self._appenders[LogStream.SHADOW].record(rows)

    def record_labels(self, labels: Sequence[FeedbackLabel]) -> "asyncio.Future[bool]":
        """Log labels; of several for one row the last one holds, so that saying the same twice changes nothing."""
        return self._appenders[LogStream.LABELS].record([(x.request_id, x.row, x.label, x.at) for x in labels])

    def record_outcomes(self, outcomes: Sequence[FeedbackOutcome]) -> "asyncio.Future[bool]":
        """Log outcomes; of several for one row and name the last one holds."""
        rows = [(x.request_id, x.row, x.name, x.value, x.at) for x in outcomes]
        return self._appenders[LogStream.OUTCOMES].record(rows)

    def read(self, after: int, limit: int) -> Iterator[bytes]:
        """Logged answers with `seq` > `after`, oldest first, as JSON lines. Blocking: call it in a thread."""
        return _as_lines(_PREDICTION, self._segments[LogStream.PREDICTIONS].read(after, limit))

    def read_shadow(self, after: int, limit: int) -> Iterator[bytes]:
        """Shadow scores with `seq` > `after`, likewise."""
        return _as_lines(_SHADOW, self._segments[LogStream.SHADOW].read(after, limit))

    def read_labels(self, after: int, limit: int) -> Iterator[bytes]:
        """Labels with `seq` > `after`, likewise; a later one replaces an earlier one of the same request and row."""
        return _as_lines(_LABEL, self._segments[LogStream.LABELS].read(after, limit))

    def read_outcomes(self, after: int, limit: int) -> Iterator[bytes]:
        """Outcomes with `seq` > `after`, likewise; a later one replaces an earlier one of the same row and name."""
        return _as_lines(_OUTCOME, self._segments[LogStream.OUTCOMES].read(after, limit))

    def epoch(self, stream: LogStream) -> str:
        """The identity of a stream: numbers of another epoch are numbers of another log."""
        return self._segments[stream].epoch

    def drained(self, stream: LogStream, epoch: str, until: int) -> int:
        """Delete the closed segments up to the number `until`, which the lake has; returns how many. Blocking."""
        return self._segments[stream].drained(epoch, until)

    def _remember_tail(self) -> None:
        """Requests that a gateway that was killed had logged, and whose clients may ask again."""
        asked: list[list[Any]] = []
        for entry in chain(self._segments[LogStream.PREDICTIONS].tail(_TAIL_BYTES), [_END]):
            if entry[_ROW] == 0 and asked:
                self._remember(asked)
                asked = []
            if asked or entry[_ROW] == 0:  # else its beginning is further up
                asked.append(entry)

    def _remember(self, entries: Sequence[Sequence[Any]]) -> None:
        first = entries[0]
        replaces = first[_REPLACES] if len(first) > _REPLACES else None
        original = first[0] if replaces is None else replaces
        self._replays.remember(_name(first[1:]), len(entries), Logged(first[0], original, _answer_hash(first[1:])))

    def _recovered(self, stream: LogStream, rows: int) -> None:
        """Rows whose answers had left are in the log after all."""
        if stream is LogStream.PREDICTIONS:
            self.unlogged -= rows

    def _settled(self, stream: LogStream, rows: int, error: OSError | None) -> None:
        """Answers leave in any case: a full disk is no reason to refuse."""
        if error is None:
            self._failing = {
                other: failed
                for other, failed in self._failing.items()
                if other is not stream and isinstance(failed, NotDrained)
            }
            return
        self._failing[stream] = error
        if stream is LogStream.PREDICTIONS:
            self.unlogged += rows
            self._replays.forget()

    def conditions(self) -> Iterator[Condition]:
        """What keeps entries out of the log now. A disk that takes one stream takes the others as well."""
        for stream, error in self._failing.items():
            if isinstance(error, NotDrained) and self._segments[stream].has_room_within_bound(error.size):
                continue
            code = Cause.DISK_FULL if error.errno in _NO_ROOM else Cause.STORE_UNAVAILABLE
            yield code, str(self._directory), f"{stream} are not logged: {error.strerror or error}"
        for segments in self._segments.values():
            for path in segments.damaged:
                message = (
                    f"lines of {path.name} are damaged, the sound ones are kept; read this file, then move it away"
                )
                yield Cause.UNKNOWN, str(path), message
            for path, ends in list(segments.unsound.items()):
                message = f"{len(ends)} places of {path.name} are damaged; the sound lines are read"
                yield Cause.UNKNOWN, str(path), message


def _name(first_row: Sequence[Any]) -> tuple[str, int]:
    """The request id, and a hash of what is asked: a proxy may give one id to all requests."""
    if len(first_row) > FINGERPRINT:
        return first_row[_REQUEST_ID], hash(first_row[FINGERPRINT])
    return first_row[_REQUEST_ID], hash((first_row[_KEY], *first_row[_FEATURES].values()))


def _answer_hash(first_row: Sequence[Any]) -> int:
    """A hash of who answered what, by the first row; the same within this process."""
    return hash((first_row[_DIGEST], first_row[_ANSWER]))


def _replacing(row: LogRow, number: int) -> LogRow:
    place = _REPLACES - 1  # an entry begins with its number, which a row has not yet
    return (*row[:place], number, *row[place + 1 :])  # type: ignore[return-value]  # of a slice only the length is known


def _as_lines(names: Sequence[str], entries: Iterator[list[Any]]) -> Iterator[bytes]:
    for entry in entries:
        yield orjson.dumps(dict(zip(names, entry, strict=False)), option=orjson.OPT_APPEND_NEWLINE)
