"""An entry of the gateway's prediction log that the disk gives back differently, while the gateway appends to it."""

import os
from pathlib import Path
from typing import Any, Literal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict

from chaos import http
from chaos.lab import Lab

__all__ = ["KIND", "SpoiledLog", "newest_entries", "prepare"]

KIND = "prediction_log"
CHECKSUM_BYTES = 9  # in front of each entry, with the space behind it
LINES_MIN = 20
FROM_END = 10  # lines: those behind it are still to be read by a drain


class SpoiledLog(BaseModel):
    """Changes one byte of the line with the number `seq`, in place: the gateway's open file is the same one."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["spoiled_log"] = "spoiled_log"
    operate: str
    path: Path
    offset: int
    byte: int
    seq: int

    @property
    def title(self) -> str:
        return f"entry {self.seq} of {self.path.name} spoiled"

    def inject(self) -> None:
        """Flip a bit."""
        self._write(self.byte ^ 1)

    def undo(self) -> None:
        """Write the byte as it was, if the segment is there, and let the gateway read it."""
        if self.path.exists():
            self._write(self.byte)
            self._is_read()

    def active(self) -> bool:
        """Whether a reader of the log at the gateway does not get the entry."""
        return self._is_read() is False

    def _write(self, byte: int) -> None:
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, bytes([byte]), self.offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _is_read(self) -> bool | None:
        """Whether the gateway gives the entry; None when it does not answer."""
        try:
            response = http.get(f"{self.operate}/predictions?after={self.seq - 1}&limit=1").raise_for_status()
        except httpx.HTTPError:
            return None
        return any(orjson.loads(line)["seq"] == self.seq for line in response.content.splitlines())


def prepare(lab: Lab) -> SpoiledLog:
    """An entry near the end of the newest segment. LookupError before the gateway has logged enough."""
    path = _newest_segment(lab)
    lines = [] if path is None else path.read_bytes().splitlines(keepends=True)
    if path is None or len(lines) < LINES_MIN:
        raise LookupError(f"expected {LINES_MIN} entries in the prediction log of {lab.pipeline}, found {len(lines)}")
    place = len(lines) - FROM_END
    offset = sum(len(line) for line in lines[:place]) + len(lines[place]) // 2
    byte = lines[place][len(lines[place]) // 2]
    return SpoiledLog(operate=lab.operate, path=path, offset=offset, byte=byte, seq=_entry(lines[place])[0])


def newest_entries(lab: Lab) -> list[list[Any]]:
    """The whole entries of the newest segment of the gateway's prediction log; empty before there is one."""
    path = _newest_segment(lab)
    lines = [] if path is None else path.read_bytes().splitlines(keepends=True)
    return [_entry(line) for line in lines if line.endswith(b"\n")]


def _newest_segment(lab: Lab) -> Path | None:
    segments = (lab.home / "gateway" / lab.pipeline).glob("predictions-*.log")
    return max(segments, key=lambda path: path.stem.rpartition("-")[2], default=None)


def _entry(line: bytes) -> list[Any]:
    entry: list[Any] = orjson.loads(line[CHECKSUM_BYTES:])
    return entry
