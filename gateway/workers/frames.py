"""The frames that a router and a worker exchange over their socket, each with its length in front.

    frame    = header payload
    header   = payload bytes (u32), kind (u8), batch number (u64), network byte order
    BATCH    = JSON array with one array of values a column, in the manifest's order   (router to worker)
    ANSWER   = row count (u32), numbers per row (u16), the float64s, then a note in UTF-8 (worker to router)
    STARTED  = the worker's process id in decimal                                       (worker to router)
    READY    = empty: verified, warm, may get traffic                                   (worker to router)
    CORRUPT, BROKEN = why the model does not load, in UTF-8                             (worker to router)

A row that the model could not answer is NaN in an ANSWER; the note says why. Where a row has several numbers, the first
one is its value, and the others are the outputs of the model.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.rows.answers import RowAnswer

HEADER = struct.Struct("!IBQ")
_SHAPE = struct.Struct("!IH")
FRAME_BYTES_MAX = 256 * 2**20  # far above any batch; a longer length means that the stream is out of step

assert sys.byteorder == "little", "answers are read in the machine's own byte order, the same on both ends"


class FrameKind(IntEnum):
    BATCH = 1
    ANSWER = 2
    STARTED = 3
    READY = 4
    CORRUPT = 5
    BROKEN = 6


@dataclass(frozen=True, slots=True)
class WorkerFrame:
    kind: FrameKind
    number: int
    payload: bytes


def encode(kind: FrameKind, number: int = 0, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind, number) + payload


def encode_answer(number: int, values: "array[float]", note: str = "", width: int = 1) -> bytes:
    """The frame of an answer; `values` has `width` numbers per row."""
    shape = _SHAPE.pack(len(values) // width, width)
    return encode(FrameKind.ANSWER, number, shape + values.tobytes() + note.encode())


def decode_answer(payload: bytes) -> tuple[Sequence[float], str]:
    """The values of an ANSWER and its note; ValueError when the payload is not one."""
    if len(payload) < _SHAPE.size:
        raise ValueError(f"an answer has at least {_SHAPE.size} bytes, found {len(payload)}")
    rows, width = _SHAPE.unpack_from(payload)
    end = _SHAPE.size + 8 * rows * width
    values = array("d")
    values.frombytes(payload[_SHAPE.size : end])
    if len(payload) < end or not width:
        raise ValueError(f"an answer of {len(payload)} bytes promises {end}")
    note = payload[end:].decode(errors="replace")
    if width == 1:
        return values, note
    return [RowAnswer(values[at], values[at + 1 : at + width]) for at in range(0, rows * width, width)], note


class Decoder:
    """Takes bytes as they come and gives back whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[WorkerFrame]:
        """Whole frames so far; ValueError when the stream is not made of frames."""
        self._buffer += received
        while len(self._buffer) >= HEADER.size:
            length, kind, number = HEADER.unpack_from(self._buffer)
            if length > FRAME_BYTES_MAX:
                raise ValueError(f"a frame has at most {FRAME_BYTES_MAX} bytes, found {length}: out of step")
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield WorkerFrame(FrameKind(kind), number, payload)
