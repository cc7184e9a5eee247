"""The answers to a load without an end, in files of bounded size: one process writes them, another one reads them."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import orjson

from chaos.load import Answer
from chaos.load.answer import Exchange, Lost, decode, to_line

__all__ = ["AnswerReader", "AnswerWriter"]

LINES_MAX = 10_000  # per file
FILES_MAX = 20  # older files are deleted, read or not


def _path(directory: Path, segment: int) -> Path:
    return directory / f"answers-{segment:08d}.jsonl"


def _segments(directory: Path) -> list[int]:
    return sorted(int(path.stem.rpartition("-")[2]) for path in directory.glob("answers-*.jsonl"))


@dataclass(slots=True)
class AnswerWriter:
    """Appends each answer at once; a new writer starts a new file."""

    directory: Path
    lines_max: int = LINES_MAX
    files_max: int = FILES_MAX
    _file: FileIO | None = None
    _lines: int = 0

    def __call__(self, exchange: Exchange) -> None:
        if self._file is None or self._lines >= self.lines_max:
            self._start_file()
        assert self._file is not None
        self._file.write(to_line(decode(exchange)))
        self._lines += 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _start_file(self) -> None:
        self.close()
        segments = _segments(self.directory)
        self._file = FileIO(_path(self.directory, segments[-1] + 1 if segments else 1), "ab")
        self._lines = 0
        for segment in segments[: max(0, len(segments) + 1 - self.files_max)]:
            _path(self.directory, segment).unlink(missing_ok=True)


@dataclass(slots=True)
class AnswerReader:
    """Reads on from a place: complete lines only, each once, file by file."""

    directory: Path
    segment: int = 0
    offset: int = 0

    def read(self) -> Iterator[Answer]:
        """The answers since the place where it stopped."""
        for segment in [each for each in _segments(self.directory) if each >= self.segment]:
            if segment != self.segment:
                self.segment, self.offset = segment, 0
            try:
                with _path(self.directory, segment).open("rb") as file:
                    file.seek(self.offset)
                    lines = file.read().splitlines(keepends=True)
            except FileNotFoundError:  # deleted since it was listed
                continue
            for line in lines:
                if line.endswith(b"\n"):
                    self.offset += len(line)
                    yield _answer(line)


def _answer(line: bytes) -> Answer:
    fields = orjson.loads(line)
    lost = None if fields["lost"] is None else Lost(fields["lost"])
    return Answer(**{**fields, "predictions": tuple(fields["predictions"]), "lost": lost})
