"""Large CSV files, converted to Parquet with columns of text in one pass, so that only some steps are in memory.

The text is checked as that of a small file is, see `text` and `csv_rows`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.ingestion.sources import csv_rows
from tasks.ingestion.sources.document_errors import BrokenDocument
from tasks.ingestion.sources.temporary_parquet import ConvertedText, TemporaryParquet
from tasks.ingestion.sources.text_stream import TextStream


def convert_csv(read: Callable[[int], bytes], folder: Path, encoding: str | None = None) -> ConvertedText:
    """The rows of a CSV file, of which `read` returns the next bytes. The result is stored in `folder`.

    BrokenDocument, CutShort or TooLarge as from `csv_rows.read`, which reads a whole document.
    """
    text = _CsvText(read, encoding)
    separator, header = text.header()
    schema = pa.schema([(name, pa.string()) for name in header])
    with TemporaryParquet(folder, schema) as rows:
        for batch in _batches(text, header, separator):
            rows.add(pa.Table.from_batches([batch], schema))
        return rows.finish(separator)


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


class _CsvText(TextStream):
    """The text of a CSV file. `header` is read first."""

    def header(self) -> tuple[str, list[str]]:
        """The separator and the names of the columns; the rows remain."""
        self.fill(csv_rows.BLOCK_BYTES)
        head = bytes(self._ready).lstrip(b"\r\n")
        csv_rows.refuse_other_formats(head)
        separator, names, length = csv_rows.header_of(head)
        self._ready = bytearray(head[length:])
        return separator, names

    def is_empty(self) -> bool:
        """Whether no row remains."""
        self.fill(1)
        while not self._has_ended and not self._ready.strip(b"\r\n"):
            self._add(self._read(csv_rows.BLOCK_BYTES))
        return not self._ready.strip(b"\r\n")
