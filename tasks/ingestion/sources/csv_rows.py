"""Rows of a CSV document: comma, double quote, one header, as many fields in each row as in the header (RFC 4180)."""

import csv
import io

import pyarrow as pa

from tasks.ingestion.sources.document_errors import Broken, CutShort, TooLarge
from tasks.ingestion.sources.text import MISSING, refuse_markup, without_mark

_BLOCK_BYTES = 4 << 20  # no row may be longer: the reader works block by block


def read(content: bytes) -> pa.Table:
    """Columns of text; Broken says which row has too few or too many fields."""
    import pyarrow.csv as pacsv

    refuse_markup(content)
    content = without_mark(content)
    if content.lstrip()[:1] in (b"{", b"["):
        raise Broken("JSON")
    if b"\0" in content:
        raise Broken("bytes of zero, which no text has")
    header = _header(content)
    try:
        return pacsv.read_csv(
            pa.BufferReader(content),
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=header, skip_rows=1
            ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=list(MISSING)
            ),
        )
    except pa.ArrowInvalid as exc:
        found = str(exc)[:160]
        if "straddling object" in found:
            raise TooLarge(f"a row of more than {_BLOCK_BYTES} bytes, or a quote that is never closed") from exc
        if "Empty CSV" in found:  # the header is all there is
            return pa.table({name: pa.array([], pa.string()) for name in header})
        last = content.rstrip(b"\r\n").rpartition(b"\n")[2].decode("utf-8")
        if last and found.endswith(f": {last}"[-120:]) and not content.endswith(b"\n"):
            raise CutShort(f"a last row that is cut off: {last[-60:]!r}") from exc
        raise Broken(found) from exc


def _header(content: bytes) -> list[str]:
    line = content.lstrip(b"\r\n").partition(b"\n")[0].decode("utf-8").rstrip("\r")
    names = next(csv.reader(io.StringIO(line)), [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Broken(f"columns named twice: {', '.join(twice)[:120]}")
    return names
