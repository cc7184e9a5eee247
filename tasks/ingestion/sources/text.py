"""Text of a source: how it is decoded, and which texts mean that a value is missing."""

import pyarrow as pa

from tasks.ingestion.sources.document_errors import Broken

MISSING = ("", "NA", "NaN", "null", "NULL")
_BOM = b"\xef\xbb\xbf"


def without_mark(content: bytes) -> bytes:
    """UTF-8 without its byte order mark, once it is sure that it is UTF-8 and nothing was decoded wrongly before.

    Text that was UTF-8, read as Latin-1 (or Windows-1252) and written as UTF-8 again is valid and wrong: `Zürich` came
    to be `ZÃ¼rich`. It is recognised because going back gives valid UTF-8 for the whole of it, which real text that is
    not ASCII all but never does.
    """
    content = content.removeprefix(_BOM)
    if content.isascii():
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Broken(
            f"bytes that are no UTF-8 at {exc.start}: {content[max(0, exc.start - 10) : exc.end + 10]!r}"
        ) from exc
    for table in ("latin-1", "cp1252"):
        try:
            right = text.encode(table).decode("utf-8")
        except UnicodeError:
            continue
        place = next(index for index, letter in enumerate(text) if not letter.isascii())
        raise Broken(
            f"UTF-8 that was once read as {table} and written again: {text[place : place + 12]!r}, "
            f"where {right[place : place + 6]!r} was meant"
        )
    return content


def refuse_markup(content: bytes) -> None:
    """Broken when the text begins like a page of HTML or XML."""
    start = content.lstrip()[:15]
    if start.startswith(b"<"):
        raise Broken("a page" if b"html" in start.lower() else "markup")


def with_missing(column: pa.Array, texts: tuple[str, ...] = MISSING) -> pa.Array:
    """The column with null for every text that means so."""
    import pyarrow.compute as pc

    return pc.if_else(pc.is_in(column, value_set=pa.array(texts, pa.string())), None, column)
