"""Rows of a CSV document (RFC 4180): double quotes, one header, as many fields per row as in the header.

Fields are separated by commas, semicolons, tabs or vertical bars, whichever the header has most of.
"""

import csv
import io
from typing import Any, NoReturn

import pyarrow as pa

from tasks.ingestion.sources.document_errors import BrokenDocument, CutShort, TooLarge
from tasks.ingestion.sources.text import MISSING, checked_text, refuse_markup

_SEPARATORS = ",;\t|"  # of equally many, the first
_SEPARATOR = b"separator"  # key in the metadata of the schema
BLOCK_BYTES = 4 << 20  # the reader works block by block, so no row may be longer


def read(content: bytes) -> pa.Table:
    """Columns of text; BrokenDocument names a row with too few or too many fields."""
    content = _csv_text(content).lstrip(b"\r\n")
    separator, header, length = header_of(content)
    body = content[length:]
    if not body.strip(b"\r\n"):  # there is only the header
        rows = pa.table({name: pa.array([], pa.string()) for name in header})
    else:
        try:
            rows = _parse(body, header, separator)
        except pa.ArrowInvalid as exc:
            refuse(content, exc)
    return rows.replace_schema_metadata({_SEPARATOR: separator.encode()})


def separator_of(rows: pa.Table) -> str | None:
    """What separated the fields; None for rows of another format."""
    found = (rows.schema.metadata or {}).get(_SEPARATOR)
    return None if found is None else found.decode()


def refuse_other_formats(content: bytes) -> None:
    """BrokenDocument when the text begins like another format."""
    refuse_markup(content)
    if content.lstrip()[:1] in (b"{", b"["):
        raise BrokenDocument("JSON")


def _csv_text(content: bytes) -> bytes:
    """The text without its byte order mark; BrokenDocument when it cannot be CSV."""
    refuse_markup(content)
    content = checked_text(content)
    refuse_other_formats(content)
    if b"\0" in content:
        raise BrokenDocument("zero bytes, which text does not have")
    return content


def header_of(content: bytes) -> tuple[str, list[str], int]:
    """The separator, the names of the columns, and the number of bytes of the header, with its end of line."""
    line, length = _first_record(content)
    found = {separator: next(csv.reader(io.StringIO(line), delimiter=separator), []) for separator in _SEPARATORS}
    separator = max(found, key=lambda each: len(found[each]))
    names = found[separator]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BrokenDocument(f"columns named twice: {', '.join(name or 'no name' for name in repeated)[:120]}")
    return separator, names, length


def _first_record(content: bytes) -> tuple[str, int]:
    """The first line and its number of bytes; a line break inside quotes does not end it."""
    end = 0
    while True:
        newline = content.find(b"\n", end)
        end = len(content) if newline < 0 else newline + 1
        if content.count(b'"', 0, end) % 2 == 0 or newline < 0:
            return content[:end].decode("utf-8").rstrip("\r\n"), end
        if end > BLOCK_BYTES:
            raise TooLarge(f"a header of more than {BLOCK_BYTES} bytes, or a quote that is never closed")


def _parse(body: bytes, header: list[str], separator: str) -> pa.Table:
    import pyarrow.csv as pacsv

    return pacsv.read_csv(pa.BufferReader(body), **reading_options(header, separator))


def reading_options(header: list[str], separator: str) -> dict[str, Any]:
    """Options of Arrow's CSV readers for rows without their header: every column is text."""
    import pyarrow.csv as pacsv

    return {
        "read_options": pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=header),
        "parse_options": pacsv.ParseOptions(newlines_in_values=True, delimiter=separator),
        "convert_options": pacsv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=list(MISSING)
        ),
    }


def refuse(content: bytes, error: Exception) -> NoReturn:
    """Raise what `error` of Arrow's reader means. `content` is the text, or its end."""
    found = str(error)[:160]
    if "straddling object" in found:
        raise TooLarge(f"a row of more than {BLOCK_BYTES} bytes, or a quote that is never closed") from error
    last = content.rstrip(b"\r\n").rpartition(b"\n")[2].decode("utf-8")
    if last and found.endswith(f": {last}"[-120:]) and not content.endswith(b"\n"):
        raise CutShort(f"a last row that is cut off: {last[-60:]!r}") from error
    raise BrokenDocument(found) from error
