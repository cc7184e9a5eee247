"""Text of a large file, decoded and checked step by step, so that only some steps are in memory."""

import codecs
from collections.abc import Callable

from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.text import DecodedTwice

_STEP_BYTES = 4 << 20
_TAIL_BYTES = 4_096


class TextStream:
    """The text of a file in UTF-8 without its byte order mark, checked step by step; a file object for Arrow.

    `read` returns the next bytes of the file. `fault` is what is wrong with it, because Arrow reads it in another
    thread. `tail` is the end of what was read, to recognise a row that is cut off.
    """

    closed = False

    def __init__(self, read: Callable[[int], bytes], encoding: str | None) -> None:
        self._read = read
        self._ready = bytearray()
        self._has_ended = False
        self._twice = DecodedTwice()
        self.fault: BrokenDocument | None = None
        self.tail = b""
        first = read(_STEP_BYTES)
        self._encoding = "utf-16" if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else encoding
        self._decoder = codecs.getincrementaldecoder(self._encoding or "utf-8")()
        self._add(first.removeprefix(codecs.BOM_UTF8) if self._encoding is None else first)

    def read(self, size: int = -1) -> bytes:
        """The next bytes; empty at the end."""
        try:
            self.fill(size)
        except BrokenDocument as exc:
            self.fault = exc
            raise
        piece = bytes(self._ready[:size])
        del self._ready[:size]
        return piece

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing: the file belongs to the caller."""

    def fill(self, size: int) -> None:
        """Read until `size` bytes are ready, or the file has ended."""
        while len(self._ready) < size and not self._has_ended:
            self._add(self._read(_STEP_BYTES))

    def _add(self, step: bytes) -> None:
        """Check the next bytes of the file (none at its end), and keep their text."""
        self._has_ended = not step
        plain = self._encoding is None and step.isascii() and not self._decoder.getstate()[0]
        if not plain or self._has_ended:
            step = self._decoded(step)
        if b"\0" in step:
            raise BrokenDocument("zero bytes, which text does not have")
        self._ready += step
        self.tail = (self.tail + step)[-_TAIL_BYTES:]

    def _decoded(self, step: bytes) -> bytes:
        try:
            text = self._decoder.decode(step, final=self._has_ended)
        except UnicodeError as exc:
            raise BrokenDocument(f"bytes that are not {self._encoding or 'UTF-8'}: {exc}") from exc
        if not text.isascii():
            self._twice.add(text)
        if self._has_ended:
            self._twice.refuse()
        return text.encode()
