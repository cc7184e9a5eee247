"""Large CSV files, converted to Parquet with columns of text in one pass, so that only some steps are in memory.

The text is checked as that of a small file is, see `text` and `csv_rows`. The Parquet file has no name; it vanishes
when it is closed, or when the process ends.
"""

import codecs
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.ingestion.sources import csv_rows, parquet_rows
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.text import DecodedTwice

_STEP_BYTES = 4 << 20
_GROUP_BYTES = 32 << 20  # of a row group: one is decoded at a time
_TAIL_BYTES = 4_096  # of the text, to recognise a row that is cut off at its end


@dataclass(frozen=True)
class ConvertedCsv:
    """An open Parquet file with the rows of a CSV as text, and what separated its fields.

    `close` removes it. Otherwise it is removed when nothing refers to `parquet` any more.
    """

    parquet: Any  # pyarrow has no types
    separator: str
    close: Callable[[], object]


def convert_csv(read: Callable[[int], bytes], folder: Path, encoding: str | None = None) -> ConvertedCsv:
    """The rows of a CSV file, of which `read` returns the next bytes. The result is stored in `folder`.

    BrokenDocument, CutShort or TooLarge as from `csv_rows.read`, which reads a whole document.
    """
    import pyarrow.parquet as pq

    text = _CsvText(read, encoding)
    separator, header = text.header()
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is closed with the result
    schema = pa.schema([(name, pa.string()) for name in header])
    try:
        with pq.ParquetWriter(file, schema, compression="lz4", use_dictionary=False, write_statistics=False) as writer:
            held: list[pa.RecordBatch] = []
            for batch in _batches(text, header, separator):
                held.append(batch)
                if sum(each.nbytes for each in held) >= _GROUP_BYTES:
                    writer.write_table(pa.Table.from_batches(held, schema))
                    held = []
            writer.write_table(pa.Table.from_batches(held, schema))
    except BaseException:
        file.close()
        raise
    parquet = parquet_rows.open_file(file)
    return ConvertedCsv(parquet, separator, weakref.finalize(parquet, file.close))


def _batches(text: "_CsvText", header: list[str], separator: str) -> Any:
    """Record batches of the rows after the header."""
    import pyarrow.csv as pacsv

    if text.is_empty():
        return
    options = csv_rows.reading_options(header, separator)
    try:
        with pacsv.open_csv(pa.PythonFile(text, mode="r"), **options) as reader:
            yield from reader
    except (pa.ArrowException, BrokenDocument) as exc:
        if text.fault is not None:
            raise text.fault from exc
        csv_rows.refuse(text.tail, exc)


class _CsvText:
    """The text in UTF-8 without its byte order mark, checked step by step; a file object for Arrow.

    `fault` is what is wrong with it, because Arrow reads it in another thread.
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

    def header(self) -> tuple[str, list[str]]:
        """The separator and the names of the columns; the rows remain."""
        self._fill(csv_rows.BLOCK_BYTES)
        head = bytes(self._ready).lstrip(b"\r\n")
        csv_rows.refuse_other_formats(head)
        separator, names, length = csv_rows.header_of(head)
        self._ready = bytearray(head[length:])
        return separator, names

    def is_empty(self) -> bool:
        """Whether no row remains."""
        self._fill(1)
        while not self._has_ended and not self._ready.strip(b"\r\n"):
            self._add(self._read(_STEP_BYTES))
        return not self._ready.strip(b"\r\n")

    def read(self, size: int = -1) -> bytes:
        """The next bytes; empty at the end."""
        try:
            self._fill(size)
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

    def _fill(self, size: int) -> None:
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
