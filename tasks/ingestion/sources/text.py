"""Text of a source: how it is decoded, and which texts mean that a value is missing."""

import codecs

from tasks.ingestion.sources.document_errors import BrokenDocument

# In CSV, and in columns that are no text. Formats with a null of their own may have these texts as values.
MISSING = ("", "NA", "NaN", "null", "NULL")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def as_utf8(content: bytes, encoding: str | None) -> bytes:
    """The text in UTF-8. UTF-16 is recognised by its byte order mark; other encodings have to be named."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    if encoding is None:
        return content
    try:
        return content.decode(encoding).encode()
    except UnicodeError as exc:
        raise BrokenDocument(f"bytes that are not {encoding}: {exc}") from exc


def checked_text(content: bytes) -> bytes:
    """The UTF-8 text without its byte order mark; BrokenDocument when it is not UTF-8 or was decoded wrongly before."""
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if content.isascii():
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BrokenDocument(
            f"bytes that are not UTF-8 at {exc.start}: {content[max(0, exc.start - 10) : exc.end + 10]!r}"
        ) from exc
    _refuse_decoded_twice(text)
    return content


def refuse_markup(content: bytes) -> None:
    """BrokenDocument when the text begins like HTML or XML."""
    start = content.lstrip()[:15]
    if start.startswith(b"<"):
        raise BrokenDocument("a page" if b"html" in start.lower() else "markup")


def _refuse_decoded_twice(text: str) -> None:
    """BrokenDocument for UTF-8 that was read as Latin-1 (or Windows-1252) and written as UTF-8 again.

    Such text is valid but wrong: `Zürich` became `ZÃ¼rich`. It is recognised because decoding it backwards gives valid
    UTF-8 for the whole text, which almost never happens with correct text that is not ASCII.
    """
    for table in ("latin-1", "cp1252"):
        try:
            right = text.encode(table).decode("utf-8")
        except UnicodeError:
            continue
        position = next(index for index, letter in enumerate(text) if not letter.isascii())
        raise BrokenDocument(
            f"UTF-8 that was once read as {table} and written again: {text[position : position + 12]!r}, "
            f"where {right[position : position + 6]!r} was meant"
        )
