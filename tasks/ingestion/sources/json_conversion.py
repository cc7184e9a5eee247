"""Large files with one JSON object per line, converted to Parquet with columns of text, a few megabytes at a time.

The rows and the faults are those of a small file, see `json_rows`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from tasks.ingestion.sources import json_rows
from tasks.ingestion.sources.document_errors import TooLarge
from tasks.ingestion.sources.temporary_parquet import ConvertedText, TemporaryParquet
from tasks.ingestion.sources.text import refuse_markup
from tasks.ingestion.sources.text_stream import TextStream

_PIECE_BYTES = 4 << 20  # no line may be longer


def convert_json_lines(read: Callable[[int], bytes], folder: Path, encoding: str | None = None) -> ConvertedText:
    """The rows of a file, of which `read` returns the next bytes. The result is stored in `folder`.

    BrokenDocument, CutShort or TooLarge as from `json_rows.read_lines`, which reads a whole document.
    """
    with TemporaryParquet(folder, pa.schema([])) as rows:
        number = 0
        for lines, is_last in _pieces(TextStream(read, encoding)):
            if not number:
                refuse_markup(b"\n".join(lines))
            found = json_rows.from_records(json_rows.parse_lines(lines, number, is_last=is_last))
            number += len(lines)
            if found.num_rows:
                rows.add(found)
        return rows.finish()


def _pieces(text: TextStream) -> Iterator[tuple[list[bytes], bool]]:
    """Lines of the text, and whether the last of them ends it without a line break."""
    rest = b""
    while piece := text.read(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _PIECE_BYTES:
            raise TooLarge(f"a line of more than {_PIECE_BYTES} bytes")
        yield lines, False
    if rest.strip():
        yield [rest], True
