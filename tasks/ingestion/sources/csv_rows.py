"""Rows of a CSV document (RFC 4180): commas, double quotes, one header, as many fields per row as in the header."""

import csv
import io
from typing import NoReturn

import pyarrow as pa

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge
from tasks.ingestion.sources.text import MISSING, checked_text, refuse_markup

_BLOCK_BYTES = 4 << 20  # the reader works block by block, so no row may be longer


def read(content: bytes) -> pa.Table:
    """Columns of text; BrokenDocument names a row with too few or too many fields."""
    content = _csv_text(content)
    header = _header(content)
    try:
        return _parse(content, header)
    except pa.ArrowInvalid as exc:
        if "Empty CSV" in str(exc):  # there is only the header
            return pa.table({name: pa.array([], pa.string()) for name in header})
        _refuse(content, exc)


def _csv_text(content: bytes) -> bytes:
    """The text without its byte order mark; BrokenDocument when it cannot be CSV."""
    refuse_markup(content)
    content = checked_text(content)
    if content.lstrip()[:1] in (b"{", b"["):
        raise BrokenDocument("JSON")
    if b"\0" in content:
        raise BrokenDocument("zero bytes, which text does not have")
    return content


def _header(content: bytes) -> list[str]:
    line = content.lstrip(b"\r\n").partition(b"\n")[0].decode("utf-8").rstrip("\r")
    names = next(csv.reader(io.StringIO(line)), [])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BrokenDocument(f"columns named twice: {', '.join(repeated)[:120]}")
    return names


def _parse(content: bytes, header: list[str]) -> pa.Table:
    import pyarrow.csv as pacsv

    return pacsv.read_csv(
        pa.BufferReader(content),
        read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=header, skip_rows=1),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=list(MISSING)
        ),
    )


def _refuse(content: bytes, error: Exception) -> NoReturn:
    found = str(error)[:160]
    if "straddling object" in found:
        raise TooLarge(f"a row of more than {_BLOCK_BYTES} bytes, or a quote that is never closed") from error
    last = content.rstrip(b"\r\n").rpartition(b"\n")[2].decode("utf-8")
    if last and found.endswith(f": {last}"[-120:]) and not content.endswith(b"\n"):
        raise CutShort(f"a last row that is cut off: {last[-60:]!r}") from error
    raise BrokenDocument(found) from error
